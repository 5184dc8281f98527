// What each file of tests begins with: chance that repeats.
import fc from 'fast-check';
import { Dice } from '../simulation/src/dice.ts';
import { seed } from './seed.ts';

const dice = new Dice(seed);
Math.random = () => dice.next();
fc.configureGlobal({ seed });
