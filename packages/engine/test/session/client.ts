import type { DialerEffect } from '@holdfast/engine/session';
import { expect } from 'vitest';

type Life = { readonly generation: number; readonly unanswered: string[] };

/** What a caller of the dialer may rely on, checked at every effect. */
export class Client {
  answered = 0;
  readonly #lives = new Map<string, Life>();
  readonly #generations = new Set<number>();
  #pushes = 0;

  isJoined(topic: string): boolean {
    return this.#lives.has(topic);
  }

  /** Pushes of living generations that have no reply. */
  get unanswered(): number {
    return [...this.#lives.values()].reduce((sum, life) => sum + life.unanswered.length, 0);
  }

  /** Makes an id for a push; null: the topic is not joined, nobody may push. */
  push(topic: string): string | null {
    const life = this.#lives.get(topic);
    if (life === undefined) return null;
    this.#pushes += 1;
    const id = `push ${this.#pushes}`;
    life.unanswered.push(id);
    return id;
  }

  leave(topic: string): void {
    this.#lives.delete(topic);
  }

  hear(effect: DialerEffect): void {
    if (effect.type === 'joined') {
      expect(this.#lives.has(effect.topic)).toBe(false);
      expect(this.#generations.has(effect.generation)).toBe(false);
      this.#generations.add(effect.generation);
      this.#lives.set(effect.topic, { generation: effect.generation, unanswered: [] });
    } else if (effect.type === 'lost') {
      expect(this.#lives.delete(effect.topic)).toBe(true);
    } else if (effect.type === 'reply') {
      // The oldest of this life: so none is answered twice, and none out of order.
      expect(this.#lives.get(effect.topic)?.unanswered.shift()).toBe(effect.id);
      this.answered += 1;
    }
  }
}
