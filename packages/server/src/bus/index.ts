export { memoryBus } from './memory.ts';
export type { Bus, BusHandler, BusOptions } from './port.ts';
