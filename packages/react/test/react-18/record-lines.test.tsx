/* oxlint-disable import/no-unassigned-import -- the tests of the other file, with another React */
import '../react-18.ts';
import '../record-lines.test.tsx';
