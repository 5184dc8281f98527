import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Peer, type WireFrame } from '../conversation/peer.ts';
import { put } from '../conversation/talk.ts';
import { topic } from '../conversation/world.ts';
import { startServer } from './child.ts';
import { NewReader } from './readers.ts';
