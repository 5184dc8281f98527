import type { Context, Hono } from 'hono';

import type { Principal } from '../../access/index.ts';
import { readJson } from '../body.ts';
import type { HttpDeps } from '../deps.ts';
import { answerProblem, Problem } from '../errors.ts';
import { credentialsOf, identify } from '../identify.ts';
import { Desk } from './desk.ts';
import { entryTools } from './entry-tools.ts';
import { readTold, schemaOf } from './fields.ts';
import { sentenceOf } from './sentences.ts';
import { fileTools } from './file-tools.ts';
import { storeTools } from './store-tools.ts';
import type { Tool } from './tool.ts';
import { watchTool } from './watch-tool.ts';

const instructions =
  'Holdfast keeps shared state in stores. A store is a tree of JSON values at paths; every change has a seq. ' +
  'Read with holdfast_get and holdfast_entries, wait with holdfast_watch_once, and coordinate with others by leases.';

type Result = {
  content: { type: 'text'; text: string }[];
  structuredContent: { [field: string]: unknown };
  isError?: true;
};

/** `/mcp`: the tools of agents, over streamable HTTP without sessions (stores.md §19.1). */
export function routeMcp(app: Hono, deps: HttpDeps): void {
  const tools = [...entryTools, ...storeTools, ...fileTools, watchTool(deps)];
  const byName = new Map(tools.map((tool) => [tool.name, tool]));
  const listed = tools.map(({ name, says, reads, fields }) => ({
    name,
    description: says,
    inputSchema: schemaOf(fields),
    annotations: { readOnlyHint: reads === true },
  }));
  app.all('/mcp', async (c) => {
    if (c.req.method !== 'POST') return onlyPost();
    const principal = await identify(deps, c);
    const desk = deskOf(c, principal, (request) => app.fetch(request));
    const parsedBody = await readJson(c, deps, principal);
    // Loaded when the first agent comes, for it is large.
    const [{ McpServer }, { WebStandardStreamableHTTPServerTransport: Transport }, schemas] =
      await Promise.all([
        import('@modelcontextprotocol/sdk/server/mcp.js'),
        import('@modelcontextprotocol/sdk/server/webStandardStreamableHttp.js'),
        import('@modelcontextprotocol/sdk/types.js'),
      ]);
    const { server } = new McpServer(
      { name: 'holdfast', version: deps.version },
      { capabilities: { tools: {} }, instructions },
    );
    server.setRequestHandler(schemas.ListToolsRequestSchema, () => ({ tools: listed }));
    server.setRequestHandler(schemas.CallToolRequestSchema, ({ params }) =>
      call(byName.get(params.name), params.arguments ?? {}, { desk, deps }),
    );
    const transport = new Transport({});
    await server.connect(transport);
    return transport.handleRequest(c.req.raw, { parsedBody });
  });
}

/** Nothing is told unasked, and there is no session to end. */
function onlyPost(): Response {
  const response = answerProblem(new Problem(405, 'method_not_allowed'));
  response.headers.set('Allow', 'POST');
  return response;
}

function deskOf(
  c: Context,
  principal: Principal,
  fetch: (request: Request) => Response | Promise<Response>,
): Desk {
  const deviceId = `mcp:${principal.subject ?? 'anonymous'}`;
  const caller = { principal, credentials: credentialsOf(c), deviceId };
  return new Desk(fetch, caller, c.req.raw.signal);
}

/** What a tool came to; refusals are results too, so that a model reads why (stores.md §19.1). */
async function call(
  tool: Tool | undefined,
  told: unknown,
  { desk, deps }: { readonly desk: Desk; readonly deps: HttpDeps },
): Promise<Result> {
  try {
    if (tool === undefined) throw new Problem(404, 'unknown_tool');
    return resultOf(await tool.run(readTold(tool.fields, told), desk));
  } catch (error) {
    return { ...resultOf(explain(error, deps)), isError: true };
  }
}

function resultOf(answer: object): Result {
  return {
    content: [{ type: 'text', text: JSON.stringify(answer) }],
    structuredContent: { ...answer },
  };
}

/** The reason stands in `error`, also where HTTP says `forbidden` before it. */
function explain(error: unknown, deps: HttpDeps): object {
  if (!(error instanceof Problem)) {
    const errorId = deps.newId();
    deps.onFailure(error, { errorId });
    const message = 'Something failed inside the server; error_id finds it in its log.';
    return { error: 'internal_error', error_id: errorId, message };
  }
  const { reason, error: detail, ...details } = error.details;
  const code = typeof reason === 'string' ? reason : error.code;
  const message = sentenceOf(code);
  const isSaid = 'message' in details || 'detail' in details || message === undefined;
  return {
    error: code,
    ...(detail !== undefined && { detail }),
    ...details,
    ...(!isSaid && { message }),
  };
}
