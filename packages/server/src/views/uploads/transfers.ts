import type { InstanceInput, ViewDefinition } from '@holdfast/engine/view';
import { isRefusal } from '@holdfast/protocol';
import { readUploadJoin, type ViewLimits } from '@holdfast/protocol/views';
import { type Principal, sameRights } from '../../access/index.ts';
import type { Files } from '../../files/index.ts';
import type { UploadDesk } from '../instance-host.ts';
import type { UploadTokens } from './tokens.ts';
import { Transfer, type TransferRoom } from './transfer.ts';
import { uploadedFile } from './uploaded-file.ts';

/** What the uploads of all views need of the server. */
export type TransfersRoom = Omit<TransferRoom, 'keepMs'> & {
  readonly tokens: UploadTokens;
  readonly views: ViewLimits;
  readonly stored: Files;
};

const KEEP_MS_MAX = 30_000;

/** Every file on its way to a view of this process, by the ref of its entry. */
export class Transfers {
  readonly #room: TransfersRoom;
  readonly #open = new Map<string, Transfer>();

  constructor(room: TransfersRoom) {
    this.#room = room;
  }

  /** The uploads of one instance. */
  deskOf(view: ViewDefinition, step: (input: InstanceInput) => void): UploadDesk {
    const { clock, tokens, views, stored } = this.#room;
    return {
      token: (ref) => tokens.sign(about(ref), clock.now()),
      file: (ref) => {
        const transfer = this.#open.get(ref);
        const file = transfer?.file ?? null;
        if (transfer === undefined || file === null) return null;
        return uploadedFile(file, transfer.target.item, stored);
      },
      opened: (target, owner) => {
        if (target.mode !== 'channel') return;
        const keepMs = Math.min(view.linger ?? views.linger_ms, KEEP_MS_MAX);
        this.#open.set(
          target.ref,
          new Transfer({ ...this.#room, keepMs }, { target, owner }, step),
        );
      },
      discard: (ref) => this.#discard(ref),
    };
  }

  /** The transfer that a join is let into; null: it is not (views.md §10.3). */
  admit(
    ref: string,
    payload: unknown,
    principal: Principal,
  ): { readonly transfer: Transfer; readonly resume: boolean } | null {
    const join = readUploadJoin(payload);
    const transfer = this.#open.get(ref);
    if (isRefusal(join) || transfer === undefined || !transfer.isOpen) return null;
    // By whoever had the file let in, with those rights.
    if (!sameRights(transfer.owner, principal)) return null;
    const { tokens, clock, views } = this.#room;
    const age = { now: clock.now(), maxAgeMs: views.upload_token_ms };
    if (!tokens.verify(join.token, about(ref), age)) return null;
    return { transfer, resume: join.resume };
  }

  #discard(ref: string): void {
    this.#open.get(ref)?.discard();
    this.#open.delete(ref);
  }
}

/** What a token is bound to: a ref is drawn for one entry of one node, whose limits are kept here, and never again. */
function about(ref: string): string {
  return `upload ${ref}`;
}
