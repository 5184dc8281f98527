import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { playDialer, playListener } from './transcript.ts';

// Each file is one conversation; its first line is the name of the test. `vitest run -u` rewrites them, and the diff is reviewed.

const folder = fileURLToPath(new URL('../scenarios/session/', import.meta.url));

describe('a dialer', () => {
  for (const { name, file, text } of conversations('dialer')) {
    test(name, async () => {
      await expect(playDialer(text, !text.includes('\n# not renewable\n'))).toMatchFileSnapshot(
        file,
      );
    });
  }
});

describe('a listener', () => {
  for (const { name, file, text } of conversations('listener')) {
    test(name, async () => {
      await expect(playListener(text)).toMatchFileSnapshot(file);
    });
  }
});

function conversations(machine: string): { name: string; file: string; text: string }[] {
  return readdirSync(`${folder}${machine}`).map((entry) => {
    const file = `${folder}${machine}/${entry}`;
    const text = readFileSync(file, 'utf8');
    return { name: text.slice(2, text.indexOf('\n')), file, text };
  });
}
