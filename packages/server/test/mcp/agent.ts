import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CallToolResultSchema } from '@modelcontextprotocol/sdk/types.js';
import { onTestFinished } from 'vitest';

/** What a tool answered. */
export type Told = { readonly [field: string]: unknown };

/** An agent with the official client. */
export class Agent {
  readonly client: Client = new Client({ name: 'test', version: '1.0.0' });

  /** Connects; it is closed when the test ends. */
  static async connect(url: string, token: string): Promise<Agent> {
    const agent = new Agent();
    const requestInit = { headers: { Authorization: `Bearer ${token}` } };
    const transport = new StreamableHTTPClientTransport(new URL('/mcp', url), { requestInit });
    await agent.client.connect(transport);
    onTestFinished(() => agent.client.close());
    return agent;
  }

  /** Calls a tool; what it answers, be it a refusal. */
  async told(name: string, told: Told = {}): Promise<Told> {
    return (await this.#ask(name, told)).answer;
  }

  /** Calls a tool that must not refuse. */
  async call(name: string, told: Told = {}): Promise<Told> {
    const { isError, answer } = await this.#ask(name, told);
    if (isError) throw new Error(JSON.stringify(answer));
    return answer;
  }

  /** Calls a tool that must refuse, and must say why in words; what is told beside those. */
  async refused(name: string, told: Told = {}): Promise<Told> {
    const { isError, answer } = await this.#ask(name, told);
    if (!isError) throw new Error(`${name} did not refuse: ${JSON.stringify(answer)}`);
    const { message, ...refusal } = answer;
    if (typeof (message ?? refusal['detail']) === 'string') return refusal;
    throw new Error(`${name} did not say why.`);
  }

  /** Calls a tool that must refuse; what it tells a model to do. */
  async advised(name: string, told: Told): Promise<unknown> {
    const { isError, answer } = await this.#ask(name, told);
    return isError ? answer['message'] : null;
  }

  async #ask(name: string, told: Told): Promise<{ isError: boolean; answer: Told }> {
    const result = CallToolResultSchema.parse(
      await this.client.callTool({ name: `holdfast_${name}`, arguments: told }),
    );
    const [content] = result.content;
    const text = content?.type === 'text' ? content.text : '';
    const { structuredContent = {} } = result;
    // Both say the same.
    if (text !== JSON.stringify(structuredContent)) throw new Error(`${name}: ${text}`);
    return { isError: result.isError === true, answer: structuredContent };
  }
}
