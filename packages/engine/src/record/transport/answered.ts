import type { HandshakeAnswer } from '@holdfast/protocol/record';

/** An answer that nobody has asked for, where a transport hands out messages: what it says replaces what there is. */
export class Answered {
  readonly answer: HandshakeAnswer;

  constructor(answer: HandshakeAnswer) {
    this.answer = answer;
  }
}
