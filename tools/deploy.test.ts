import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { commands } from '../packages/cli/src/commands.ts';

const unit = readFileSync('deploy/holdfast.service', 'utf8');
const image = readFileSync('deploy/Dockerfile', 'utf8');

test('the unit and the image start the server with options that it has', async () => {
  const usage = await (await commands.get('serve')?.load())?.usage('serve');
  const started = [...unit.matchAll(/ExecStart=.*/g), ...image.matchAll(/^CMD .*/gm)].join(' ');
  const options = [...started.matchAll(/--([a-z-]+)/g)].map(([, name]) => name);
  expect(options.length).toBeGreaterThan(5);
  for (const name of options) expect(usage).toContain(`--${String(name)}`);
});

test('the image builds what the workspace has', () => {
  const { workspaces } = JSON.parse(readFileSync('package.json', 'utf8'));
  expect(workspaces).toContain('packages/*');
  for (const name of ['protocol', 'engine', 'client', 'server', 'dashboard', 'cli']) {
    expect(image).toContain(name);
    expect(JSON.parse(readFileSync(`packages/${name}/package.json`, 'utf8')).files).toContain(
      'dist',
    );
  }
});

test('the image runs as a user that is not root, by number, as runAsNonRoot of Kubernetes has to see', () => {
  expect(image).toMatch(/^USER [1-9]\d*:[1-9]\d*$/m);
});
