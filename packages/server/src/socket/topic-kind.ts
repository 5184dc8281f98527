import { rootOfTopic } from '@holdfast/protocol/views';

/** What a topic is about. */
export type TopicKind = 'store' | 'presence' | 'view' | 'upload';

/** The kind of a topic; clients of capver 3 know no presence. What is none of these is a store that there is not. */
export function kindOf(topic: string, dialect: 3 | 4 | null): TopicKind {
  if (rootOfTopic(topic) !== null) return 'view';
  if (topic.startsWith('musubi_upload:')) return 'upload';
  return topic.startsWith('presence:') && dialect !== 3 ? 'presence' : 'store';
}
