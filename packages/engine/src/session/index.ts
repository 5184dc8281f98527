export { Dialer, type DialerConfig, type DialerView } from './dialer.ts';
export { Listener, type ListenerConfig, type ListenerView } from './listener.ts';
export type {
  Connection,
  DialerEffect,
  DialerInput,
  ListenerEffect,
  ListenerInput,
} from './types.ts';
