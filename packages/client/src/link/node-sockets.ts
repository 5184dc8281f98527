import { isObject } from '@holdfast/protocol';

type Channel = { subscribe(hear: (message: unknown) => void): void };
type NodeProcess = { getBuiltinModule(name: string): unknown };
type Unrefable = { unref(): unknown };

const waiting = new Map<string, ((socket: Unrefable) => void)[]>();
let isListening = false;

/**
 * Node's own WebSocket waits for the peer's half of the close for ever and keeps the process alive meanwhile, and gives
 * nobody its socket. Diagnostics tell which socket carried the upgrade of a URL; elsewhere than in Node nothing happens.
 * Sockets of equal URLs may be taken for one another, which for `unref` makes no difference once all of them close.
 */
export function onNodeSocket(url: string, found: (socket: Unrefable) => void): void {
  if (!listen()) return;
  const key = keyOf(new URL(url));
  waiting.set(key, [...(waiting.get(key) ?? []), found]);
}

/** Nobody waits for it any more. */
export function forgetNodeSocket(url: string, found: (socket: Unrefable) => void): void {
  const key = keyOf(new URL(url));
  const rest = waiting.get(key)?.filter((each) => each !== found) ?? [];
  if (rest.length === 0) waiting.delete(key);
  else waiting.set(key, rest);
}

function listen(): boolean {
  if (isListening) return true;
  const process: unknown = Reflect.get(globalThis, 'process');
  if (!isNodeProcess(process)) return false;
  const diagnostics = process.getBuiltinModule('node:diagnostics_channel');
  if (!isDiagnostics(diagnostics)) return false;
  diagnostics.channel('undici:client:sendHeaders').subscribe(hear);
  isListening = true;
  return true;
}

function hear(message: unknown): void {
  if (waiting.size === 0 || !isObject(message) || !isObject(message['request'])) return;
  const { origin, path } = message['request'];
  const { socket } = message;
  const key = `${String(origin)}${String(path)}`;
  const [found, ...rest] = waiting.get(key) ?? [];
  if (found === undefined || !isUnrefable(socket)) return;
  if (rest.length === 0) waiting.delete(key);
  else waiting.set(key, rest);
  found(socket);
}

function keyOf({ protocol, host, pathname, search }: URL): string {
  return `${protocol.replace('ws', 'http')}//${host}${pathname}${search}`;
}

function isNodeProcess(process: unknown): process is NodeProcess {
  return isObject(process) && typeof process['getBuiltinModule'] === 'function';
}

function isDiagnostics(module: unknown): module is { channel(name: string): Channel } {
  return isObject(module) && typeof module['channel'] === 'function';
}

function isUnrefable(socket: unknown): socket is Unrefable {
  return isObject(socket) && 'unref' in socket && typeof socket['unref'] === 'function';
}
