import { app, holdfast, RejectedError, stream, upload, view } from '@holdfast/server';
import { z } from 'zod';

// The views of the recorded conversations, as their README describes them.

type User = { readonly user: string };
const { view: viewOf, loader } = holdfast<{ principal: User }>();

const ns = 'Musubi.WireCapture.Stores';
const echoed = z.object({ label: z.string(), ok: z.boolean() });

const child = view({
  name: `${ns}.ChildStore`,
  params: z.object({ label: z.string() }),
  render: (_s, _h, { params: { label } }) => ({ label }),
});

const alpha = viewOf({
  name: `${ns}.AlphaRootStore`,
  params: z.object({ room_id: z.string() }),
  mount: ({ params, principal }) => ({ room_id: params.room_id, current_user: principal.user }),
  render: ({ room_id, current_user }, h) => ({
    room_id,
    current_user,
    child: h.child(child, 'child', { label: room_id }),
  }),
  commands: {
    rename: {
      input: z.object({ room_id: z.string() }),
      run: (ctx, { room_id }) =>
        ctx.update((state) => {
          state.room_id = room_id;
        }),
    },
  },
});

const beta = viewOf({
  name: `${ns}.BetaRootStore`,
  params: z.object({ label: z.string() }),
  mount: ({ params, principal }) => ({ label: params.label, current_user: principal.user }),
  render: (state) => state,
  commands: {
    echo: {
      input: z.object({ label: z.string() }),
      reply: echoed,
      run: (_ctx, { label }) => ({ label, ok: true }),
    },
  },
});

const toggle = view({
  name: `${ns}.ToggleRootStore`,
  mount: () => ({ shown: false }),
  render: ({ shown }, h) => ({
    panel: shown ? h.child(child, 'panel', { label: 'panel' }) : null,
  }),
  commands: {
    toggle: {
      input: z.object({ show: z.boolean() }),
      run: (ctx, p) => ctx.update({ shown: p.show }),
    },
  },
});

type Item = { readonly id: string };

const streams = view({
  name: `${ns}.StreamRootStore`,
  streams: { items: stream<Item>({ key: ({ id }) => `item-${id}` }) },
  render: (_s, h) => ({ title: 'stream', items: h.stream('items') }),
  commands: {
    seed: {
      input: z.object({ count: z.number() }),
      run: (ctx, { count }) => {
        const items = ctx.stream('items');
        items.reset();
        for (let id = 1; id <= count; id += 1) items.insert({ id: String(id) });
      },
    },
    insert: {
      input: z.object({ id: z.string(), at: z.number().optional(), limit: z.number().nullish() }),
      run: (ctx, { id, at, limit }) =>
        ctx.stream('items').insert(
          { id },
          {
            ...(at !== undefined && { at }),
            ...(limit !== undefined && limit !== null && { limit }),
          },
        ),
    },
    delete: {
      input: z.object({ id: z.string() }),
      run: (ctx, { id }) => ctx.stream('items').delete({ id }),
    },
  },
});

const asyncs = view({
  name: `${ns}.AsyncRootStore`,
  async: {
    profile: loader((_ctx, outcome: string) => {
      if (outcome !== 'ok') throw new RejectedError('unavailable');
      return { name: 'ada' };
    }),
  },
  render: (_s, h) => ({ profile: h.async('profile') }),
  commands: {
    load: {
      input: z.object({ outcome: z.string() }),
      run: (ctx, { outcome }) => ctx.async.start('profile', outcome),
    },
  },
});

const events = view({
  name: `${ns}.EventRootStore`,
  events: { toast: z.object({ msg: z.string() }) },
  render: () => ({ title: 'events' }),
  commands: {
    notify: { input: z.object({ msg: z.string() }), run: (ctx, p) => ctx.send('toast', p) },
  },
});

const uploads = view({
  name: `${ns}.UploadRootStore`,
  uploads: {
    avatar: upload({
      accept: ['.png'],
      maxEntries: 2,
      maxFileSize: 1_000_000,
      chunkSize: 1024,
      external: (_ctx, { name }) => ({
        uploader: 's3',
        meta: { url: `https://uploads.example.test/${name}` },
      }),
    }),
  },
  render: (_s, h) => ({ title: 'uploads', avatar: h.upload('avatar') }),
});

/** The app of the recorded conversations. */
export const wireCapture = app({
  views: [alpha, beta, toggle, streams, asyncs, events, uploads],
});
