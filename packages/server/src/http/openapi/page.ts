/**
 * A page to read the API and try it, made from the document alone. Nothing comes from elsewhere, and the token stays in
 * the page.
 */
export const apiPage = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Holdfast API</title>
<style>
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0 auto; max-width: 60rem; padding: 1rem; }
h1 { font-size: 1.4rem; }
h2 { font-size: 1.1rem; margin: 1.4rem 0 .3rem; }
label { display: block; margin: .5rem 0 .2rem; font-size: .9rem; }
input, textarea, select { width: 100%; box-sizing: border-box; font: inherit; padding: .4rem; }
textarea, pre { font-family: ui-monospace, monospace; font-size: .9rem; }
details { border: 1px solid #8886; border-radius: .4rem; margin: .5rem 0; padding: .4rem .8rem; }
summary { cursor: pointer; overflow-wrap: anywhere; }
code.method { display: inline-block; min-width: 4.5rem; font-weight: 600; }
pre { overflow: auto; max-height: 24rem; padding: .6rem; border: 1px solid #8886; }
button { font: inherit; padding: .4rem 1rem; margin: .6rem 0; }
</style>
</head>
<body>
<h1>Holdfast API</h1>
<p>Everything that this server answers over HTTP. The document behind this page: <a href="openapi.json">openapi.json</a>.</p>
<label for="token">Token</label>
<input id="token" type="password" autocomplete="off">
<label for="filter">Find</label>
<input id="filter" type="search" autocomplete="off" placeholder="webhooks, PUT, import…">
<div id="operations" aria-live="polite">Loading…</div>
<script>
const el = (tag, props = {}, ...children) => {
  const node = Object.assign(document.createElement(tag), props);
  node.append(...children);
  return node;
};
const place = document.getElementById('operations');
const token = document.getElementById('token');
const filter = document.getElementById('filter');
const groups = { Entries: /\\/(entry|entries|transact|watch)\\b/, Files: /\\/files?\\b/, History: /\\/(log|diff|rollback|export|import|clone)$/, Webhooks: /webhooks/, Tokens: /tokens/, Access: /(explain|audit|whoami)$/, Stores: /\\/stores\\b/, Server: /./ };
const groupOf = (path) => Object.keys(groups).find((name) => groups[name].test(path));
const prose = (text) => text.split('\`').map((part, at) => (at % 2 ? el('code', {}, part) : part));
function operation(path, method, about) {
  const fields = (about.parameters ?? []).map((parameter) => {
    const id = about.operationId + '-' + parameter.in + '-' + parameter.name;
    const input = el('input', { id, placeholder: parameter.schema.default ?? '' });
    return { parameter, input, row: el('div', {}, el('label', { htmlFor: id }, parameter.name + ' (' + parameter.in + ')' + (parameter.required ? ' *' : '')), input) };
  });
  const [type, content] = Object.entries(about.requestBody?.content ?? {})[0] ?? [];
  const example = content?.example === undefined ? '' : JSON.stringify(content.example, null, 2);
  const bodyId = about.operationId + '-body';
  const body = type && el('textarea', { id: bodyId, rows: Math.min(12, Math.max(4, example.split('\\n').length)), value: example });
  const result = el('pre', { hidden: true, tabIndex: 0 });
  const form = el('form', {},
    ...fields.map(({ row }) => row),
    ...(body ? [el('label', { htmlFor: bodyId }, 'Body (' + type + ')'), body] : []),
    el('button', { type: 'submit' }, 'Send'));
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    let url = path;
    const query = new URLSearchParams();
    const headers = {};
    for (const { parameter, input } of fields) {
      if (parameter.in === 'path') url = url.replace('{' + parameter.name + '}', input.value.split('/').map(encodeURIComponent).join('/'));
      else if (input.value !== '' && parameter.in === 'query') query.set(parameter.name, input.value);
      else if (input.value !== '') headers[parameter.name] = input.value;
    }
    if (token.value !== '') headers.Authorization = 'Bearer ' + token.value;
    if (body) headers['Content-Type'] = type;
    result.hidden = false;
    result.textContent = '…';
    try {
      const end = new AbortController();
      const answer = await fetch('.' + url + (String(query) === '' ? '' : '?' + query), { method: method.toUpperCase(), headers, signal: end.signal, ...(body && { body: body.value }) });
      const head = answer.status + ' ' + answer.statusText + '\\n' + [...answer.headers].map((pair) => pair.join(': ')).join('\\n') + '\\n\\n';
      const reader = answer.body?.getReader();
      let text = '';
      const decoder = new TextDecoder();
      for (let part = await reader?.read(); part && !part.done; part = await reader.read()) {
        text += decoder.decode(part.value, { stream: true });
        result.textContent = head + text;
        if (text.length > 100000) { end.abort(); break; }
      }
      try { text = JSON.stringify(JSON.parse(text), null, 2); } catch {}
      result.textContent = head + text;
    } catch (error) {
      result.textContent = String(error);
    }
  });
  return el('details', {},
    el('summary', {}, el('code', { className: 'method' }, method.toUpperCase()), ' ', el('code', {}, path), ' – ', ...prose(about.summary)),
    el('p', {}, about.description ?? ''), form, result);
}
fetch('openapi.json').then((answer) => answer.json()).then(({ paths }) => {
  const all = Object.entries(paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, about]) => ({ group: groupOf(path), node: operation(path, method, about) })));
  const sections = Object.keys(groups).map((name) =>
    el('section', {}, el('h2', {}, name), ...all.filter(({ group }) => group === name).map(({ node }) => node)));
  place.replaceChildren(...sections);
  filter.addEventListener('input', () => {
    const wanted = filter.value.toLowerCase();
    for (const { node } of all) node.hidden = !node.firstChild.textContent.toLowerCase().includes(wanted);
    for (const section of sections) section.hidden = !section.querySelector('details:not([hidden])');
  });
});
</script>
</body>
</html>
`;
