/** What a request of IndexedDB gives; of which type that is, knows whoever has put it there. */
// oxlint-disable-next-line typescript/no-unnecessary-type-parameters -- the platform's own says `any`
export function answerOf<T>(request: IDBRequest): Promise<T> {
  return new Promise((resolve, reject) => {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as above
    request.addEventListener('success', () => resolve(request.result as T));
    request.addEventListener('error', () => reject(request.error));
  });
}

/** Resolves when a transaction is stored. */
export function endOf(tx: IDBTransaction): Promise<void> {
  return new Promise((resolve, reject) => {
    tx.addEventListener('complete', () => resolve());
    tx.addEventListener('abort', () => reject(tx.error));
  });
}

/** Takes back what a transaction has done, unless it has ended. */
export function abort(tx: IDBTransaction): void {
  try {
    tx.abort();
  } catch {
    // It has.
  }
}
