import { app, view } from '@holdfast/server';

/** How many issues there are: counted on the server, once for all who look. */
const summary = view({
  name: 'Summary',
  scope: 'shared',
  render: (_state, _h, ctx) => ({
    issues: ctx.store('team/tracker').entries('issues/*/title').length,
  }),
});

/** What the tracker's server serves beside records. */
export const tracker = app({ views: [summary] });
export type Tracker = typeof tracker;
