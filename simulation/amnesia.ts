import type { Storage } from '@holdfast/server/storage';

/** Has a storage find no answer that was given: a server that starts stores once more what is sent to it again. */
export function forgetAnswers(storage: Storage): void {
  Object.assign(storage, { answers: nothingFound });
}

const nothingFound: Storage['answers'] = async () => ({ answers: [], highs: new Map() });
