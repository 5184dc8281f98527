import { opTuple } from '@holdfast/protocol';
import { WebSocketServer } from 'ws';
import { fedOp } from '../load/feed.ts';
import { joinReply, topic } from '../load/join-reply.ts';
import { serve } from './answers.ts';

/* Speaks as our server would while others write 10,000 leaves a second: frames of 50 ops, 200 times a second. */
const OPS_PER_FRAME = 50;
const FRAMES_PER_SECOND = 200;
const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false });
server.on('connection', (socket) => {
  let timer: NodeJS.Timeout | undefined;
  socket.on('message', (data: Buffer) => {
    const [joinRef, ref, to, event] = JSON.parse(data.toString()) as readonly string[];
    const reply = (response: object): void => {
      const status = 'ok';
      socket.send(JSON.stringify([joinRef, ref, to, 'phx_reply', { status, response }]));
    };
    if (event === 'phx_join') {
      reply(joinReply(0));
      socket.send(JSON.stringify([null, null, topic, 'catch_up_complete', { through_seq: 0 }]));
      timer = feed((text) => socket.send(text));
    } else {
      reply({});
    }
  });
  socket.on('close', () => clearInterval(timer));
});
server.on('listening', () => {
  const address = server.address();
  if (typeof address === 'string' || address === null) throw new Error('no port');
  serve(address.port, async () => {
    for (const socket of server.clients) socket.terminate();
    server.close();
  });
});

function feed(send: (text: string) => void): NodeJS.Timeout {
  const startedAt = performance.now();
  let frames = 0;
  return setInterval(() => {
    const due = ((performance.now() - startedAt) / 1000) * FRAMES_PER_SECOND;
    for (; frames < due; frames += 1) send(frame(frames * OPS_PER_FRAME));
  }, 1);
}

function frame(from: number): string {
  const ops = Array.from({ length: OPS_PER_FRAME }, (_, index) => opTuple(fedOp(from + index + 1)));
  const payload = { from_seq: from, to_seq: from + OPS_PER_FRAME, ops };
  return JSON.stringify([null, null, topic, 'events', payload]);
}
