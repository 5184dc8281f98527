import type { Seq } from '@holdfast/protocol';
import type { Bookmark, Span } from '../validators/history.ts';

/** Where a device stands in one life, and what it notes for those who judge it. */
export type Diary = {
  readonly bookmarks: Bookmark[];
  readonly resumes: Seq[];
  readonly resyncs: Span[];
  /** It has not asked to join yet. */
  isNewborn: boolean;
  isJoined: boolean;
  /** The seq of a snapshot that has arrived whole. */
  snapshot: Seq | null;
};

/** The first page of a life. */
export function newDiary(): Diary {
  return {
    bookmarks: [],
    resumes: [],
    resyncs: [],
    isNewborn: true,
    isJoined: false,
    snapshot: null,
  };
}
