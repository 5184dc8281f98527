import { Dialer, type DialerInput, Listener, type ListenerInput } from '@holdfast/engine/session';
import {
  type BadFrame,
  type Frame,
  frameTuple,
  isObject,
  isRefusal,
  readFrame,
} from '@holdfast/protocol';

// A conversation is a text: lines at the margin go in, indented ones are what came out, `#` comments.
// `+ 500` lets time pass; `wait` lets it pass until the machine wants to be woken, and wakes it.
// `received 1 …` is `received` on link 1 for a dialer; a listener has one socket. `…` is a frame, or `garbage`.

type Step = (line: readonly string[], now: number) => readonly object[];

/** Plays the inputs of a conversation of a dialer and returns the whole of it as it really went. */
export function playDialer(text: string, renewable: boolean): string {
  const dialer = new Dialer({ random: () => 0.5, renewable });
  return play(text, (words, now) => dialer.step({ now, ...read(dialerInputs, words) }));
}

/** The same for a listener that allows two channels and little waiting. */
export function playListener(text: string): string {
  const limits = { maxChannels: 2, idleTimeoutMs: 60_000, maxUnanswered: 3, maxHeld: 2 };
  const listener = new Listener({ now: 0, ...limits });
  return play(text, (words, now) => listener.step({ now, ...read(listenerInputs, words) }));
}

function play(text: string, step: Step): string {
  let now = 0;
  let wake: number | null = null;
  const lines: string[] = [];
  for (const line of text.split('\n').filter((each) => !each.startsWith('  '))) {
    lines.push(line);
    if (line === '' || line.startsWith('#')) continue;
    const words = wordsOf(line);
    if (words[0] === '+') {
      now += Number(words[1]);
      continue;
    }
    if (words[0] === 'wait') {
      if (wake === null) throw new Error('nothing to wait for');
      now = Math.max(now, wake);
    }
    for (const effect of step(words, now)) {
      if ('type' in effect && effect.type === 'wake' && 'at' in effect) {
        wake = typeof effect.at === 'number' ? effect.at : null;
      }
      lines.push(`  ${print(effect)}`);
    }
  }
  return lines.join('\n');
}

// The last word may be JSON, which has spaces of its own.
function wordsOf(line: string): readonly string[] {
  const at = line.search(/ [[{]/);
  return at < 0 ? line.split(' ') : [...line.slice(0, at).split(' '), line.slice(at + 1)];
}

function print(effect: object): string {
  return Object.values(effect).map(printValue).join(' ');
}

function printValue(value: unknown): string {
  if (typeof value === 'string') return value;
  if (isRefusal(value)) return value.code;
  if (isFrame(value)) return JSON.stringify(frameTuple(value));
  return JSON.stringify(value);
}

function isFrame(value: unknown): value is Frame {
  return typeof value === 'object' && value !== null && 'joinRef' in value;
}

type Untimed<Input> = Input extends unknown ? Omit<Input, 'now'> : never;

type Readers<Input> = { readonly [word: string]: (words: readonly string[]) => Untimed<Input> };

const dialerInputs: Readers<DialerInput> = {
  start: () => ({ type: 'start' }),
  stop: () => ({ type: 'stop' }),
  tick: () => ({ type: 'tick' }),
  wait: () => ({ type: 'tick' }),
  online: () => ({ type: 'online' }),
  offline: () => ({ type: 'offline' }),
  woke: () => ({ type: 'woke' }),
  opened: ([link]) => ({ type: 'opened', link: Number(link) }),
  closed: ([link, code, final]) => ({
    type: 'closed',
    link: Number(link),
    code: Number(code),
    isFinal: final === 'final',
  }),
  received: ([link, frame]) => ({ type: 'received', link: Number(link), frame: frameOf(frame) }),
  join: joining(undefined),
  // Whoever joins so takes each refusal for final, or none.
  joinOnce: joining(() => true),
  insist: joining(() => false),
  leave: ([topic = '']) => ({ type: 'leave', topic }),
  rejoin: ([topic = '']) => ({ type: 'rejoin', topic }),
  push: pushed(false),
  // The same for a caller who waits as long as it takes.
  ask: pushed(true),
};

function joining(isFinal: (() => boolean) | undefined): Readers<DialerInput>[string] {
  return ([topic = '', payload]) => ({
    type: 'join',
    topic,
    payload: () => objectOf(payload),
    isFinal,
  });
}

function pushed(patient: boolean): Readers<DialerInput>[string] {
  return ([topic = '', id = '', event = '', payload]) => {
    const push = { topic, id, event, payload: objectOf(payload) } as const;
    return { type: 'push', ...push, ...(patient && { patient }) };
  };
}

const listenerInputs: Readers<ListenerInput> = {
  tick: () => ({ type: 'tick' }),
  received: ([frame]) => ({ type: 'received', frame: frameOf(frame) }),
  accept: ([channel, response]) => ({
    type: 'accept',
    channel: Number(channel),
    response: objectOf(response),
  }),
  refuse: ([channel, response]) => ({
    type: 'refuse',
    channel: Number(channel),
    response: objectOf(response),
  }),
  answerAt: ([channel, slot, version, response]) => ({
    type: 'answer',
    channel: Number(channel),
    slot: Number(slot),
    status: 'ok',
    response: objectOf(response),
    version: Number(version),
  }),
  fail: ([channel]) => ({ type: 'shut', channel: Number(channel), failed: true }),
  answer: ([channel, slot, status, response]) => ({
    type: 'answer',
    channel: Number(channel),
    slot: Number(slot),
    status: status === 'ok' ? 'ok' : 'error',
    response: objectOf(response),
  }),
  answerControl: ([ref = '', status, response]) => ({
    type: 'answerControl',
    ref,
    status: status === 'ok' ? 'ok' : 'error',
    response: objectOf(response),
  }),
  shut: ([channel]) => ({ type: 'shut', channel: Number(channel) }),
};

function read<Input>(
  readers: Readers<Input>,
  [word = '', ...rest]: readonly string[],
): Untimed<Input> {
  const reader = readers[word];
  if (reader === undefined) throw new Error(`a conversation knows no "${word}"`);
  return reader(rest);
}

function frameOf(text = ''): Frame | BadFrame {
  return text === 'garbage' ? { kind: 'unreadable' } : readFrame(JSON.parse(text));
}

function objectOf(text = ''): object {
  const value: unknown = JSON.parse(text);
  if (!isObject(value)) throw new Error(`${text} is no object`);
  return value;
}
