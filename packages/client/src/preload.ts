/**
 * Loads now whatever the client loads when it is first needed: for pages that go on where nothing can be loaded any more, and
 * for tests in which no time passes. Rejects where one of the parts does not come.
 */
export async function preload(): Promise<void> {
  await Promise.all([
    import('./cache/fold.ts'),
    import('./cache/regroup.ts'),
    import('./files.ts'),
    import('./history.ts'),
    import('./presence/share.ts'),
    import('./records/clash.ts'),
    import('./records/evaluate.ts'),
    import('./records/kept-clashes.ts'),
    import('./seldom.ts'),
    import('./ssr/digest.ts'),
    import('./tabs/together.ts'),
    import('./tabs/windows.ts'),
    import('./views/cache.ts'),
    import('./views/share.ts'),
    import('./views/transfers.ts'),
    import('@holdfast/engine/mirror/uploads'),
  ]);
}
