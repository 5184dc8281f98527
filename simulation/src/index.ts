export type { CrashOptions, Device, DeviceOptions } from './device.ts';
export { Dice } from './dice.ts';
export type { DiskFaults } from './disk.ts';
export { badWeather, type Fault, faultKinds, type FaultRates, type TimedFault } from './faults.ts';
export {
  type Failure,
  failureText,
  type Seeds,
  simulate,
  simulateSeed,
  type Simulation,
} from './simulate.ts';
export type { Pace, Site } from './site.ts';
export type { Logged, World } from './world.ts';
