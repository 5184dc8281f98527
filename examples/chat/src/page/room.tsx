import { type ReactNode, useRef, useState } from 'react';
import { Composer } from './composer.tsx';
import { type LobbyView, type RoomLine, useSnapshot, useView } from './holdfast.ts';
import { Messages } from './messages.tsx';
import { People } from './people.tsx';
import { useCompany } from './use-company.ts';
import { usePicture } from './use-picture.ts';
import { useReadMark } from './use-read-mark.ts';
import { type Unsent, useSend } from './use-send.ts';

type Props = { readonly room: RoomLine; readonly lobby: LobbyView; readonly me: string };

/** What was being written in each room, for when somebody comes back to it. */
const drafts = new Map<string, string>();

/** One room: what was said, who is here, and the field to say something. */
export function Room({ room, lobby, me }: Props): ReactNode {
  const view = useView('Room', { id: room.id, params: { room: room.id } });
  const messages = useSnapshot(view, (shown) => shown.messages);
  const company = useCompany(room.id, me);
  const picture = usePicture(view, room.id);
  const { send, unsent, forget } = useSend(view, { room: room.id, me });
  const [text, setText] = useState(drafts.get(room.id) ?? '');
  const [opened] = useState({ read: room.read, count: room.count });
  const field = useRef<HTMLTextAreaElement>(null);
  useReadMark(lobby, room);

  const write = (next: string): void => {
    drafts.set(room.id, next);
    setText(next);
  };
  const edit = (refused: Unsent): void => {
    forget(refused.id);
    // What is being written meanwhile stays.
    write([refused.text, text].filter(Boolean).join('\n'));
    picture.choose(refused.picture?.file);
    field.current?.focus();
  };
  const discard = (id: string): void => {
    forget(id);
    // The button goes with what was refused.
    field.current?.focus();
  };
  return (
    <main className="room" onDrop={({ dataTransfer }) => picture.choose(dataTransfer.files[0])}>
      <header>
        <h1>{room.id}</h1>
        <p>{room.about}</p>
        <People names={company.names} />
      </header>
      <Messages
        messages={messages}
        me={me}
        unread={opened}
        unsent={unsent}
        onEdit={edit}
        onForget={discard}
      />
      <Composer
        room={room.id}
        text={text}
        picture={picture}
        typing={company.typing}
        field={field}
        onText={write}
        onTyping={company.setTyping}
        onSend={send}
      />
    </main>
  );
}
