//! What a page in a browser can try against a server on this machine. Each attack runs inside the page, gets the door's origin and some facts,
//! and gives what it could read, or an empty text. Whether it changed anything is seen at the door.

/** Runs in the page before any attack: what they share. */
export const prelude = () => {
  window.PATIENCE_MS = 1_500;
  window.timed = (work) => Promise.race([work, new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, ''))]);
  // A page whose name was bound anew is of the door's own origin: it may read the refusal, which tells nothing. Any other page may read nothing.
  window.taken = (status, text, door) => (door === location.origin && status >= 400 ? '' : `${status} ${text}`);
  window.ask = async (door, path, init) => {
    try {
      const answer = await fetch(door + path, { signal: AbortSignal.timeout(PATIENCE_MS), ...init });
      if (answer.type === 'opaque') return '';
      const reader = answer.body?.getReader();
      const first = await reader?.read();
      await reader?.cancel();
      return taken(answer.status, new TextDecoder().decode(first?.value), door);
    } catch {
      return '';
    }
  };
  window.xhr = (door, method, path, body, kind) =>
    timed(
      new Promise((resolve) => {
        const request = new XMLHttpRequest();
        request.onload = () => resolve(taken(request.status, request.responseText, door));
        request.onerror = () => resolve('');
        request.open(method, door + path);
        if (kind) request.setRequestHeader('content-type', kind);
        request.send(body);
      }),
    );
  /** Puts an element into the page; says so when it loaded something. */
  window.put = (tag, attributes) =>
    timed(
      new Promise((resolve) => {
        const element = Object.assign(document.createElement(tag), attributes);
        element.onload = () => resolve(`${tag} loaded`);
        element.onerror = () => resolve('');
        document.body.append(element);
      }),
    );
  /** Whether a page from the door ran in the frame or window that this opens. */
  window.framed = (open) =>
    timed(
      new Promise((resolve) => {
        addEventListener('message', (event) => resolve(String(event.data)), { once: true });
        open();
      }),
    );
  /** Sends a form into a frame and waits until the frame has an answer. */
  window.submit = (door, path, enctype, fields, method = 'post') =>
    timed(
      new Promise((resolve) => {
        const frame = Object.assign(document.createElement('iframe'), { name: `f${Math.random()}` });
        document.body.append(frame);
        const form = Object.assign(document.createElement('form'), { action: door + path, method, enctype, target: frame.name });
        for (const [name, value] of fields) form.append(Object.assign(document.createElement('input'), { name, value }));
        document.body.append(form);
        frame.onload = () => resolve('');
        form.submit();
      }),
    );
  /** Lets a frame without an origin, or a worker, fetch for us. */
  window.byFrame = (attributes, door) =>
    framed(() =>
      document.body.append(
        Object.assign(
          document.createElement('iframe'),
          attributes(`<script>fetch('${door}/status').then((a) => a.text(), () => '').then((t) => parent.postMessage(t, '*'))</script>`),
        ),
      ),
    );
  window.byWorker = (worker, door) =>
    timed(
      new Promise((resolve) => {
        worker.onmessage = (event) => resolve(event.data);
        worker.onerror = () => resolve('');
        worker.postMessage(`${door}/status`);
      }),
    );
};

/** Every list with something in it, and every description. */
const PATHS = ['/status', '/peers', '/messages?wait=1', '/outbox', '/relays', '/identity', '/events', '/metrics', '/docs', '/openapi.json'];

const message = (facts) => ({ to: facts.peer, content: 'sent by a page' });

/** For pages of another origin. */
export const FROM_ANOTHER_ORIGIN = [
  ...PATHS.map((path) => [`fetch reads ${path}`, `(door) => ask(door, ${JSON.stringify(path)})`]),
  ['fetch with credentials', (door) => ask(door, '/status', { credentials: 'include' })],
  ['fetch without a referrer', (door) => ask(door, '/status', { referrerPolicy: 'no-referrer' })],
  ['fetch through a redirect of ours', (door, facts) => ask(facts.site, `/go?code=302&to=${encodeURIComponent(`${door}/status`)}`)],
  ['fetch that must ask first', (door) => ask(door, '/status', { headers: { 'content-type': 'application/json' } })],
  [
    'fetch posts JSON',
    (door, facts) => ask(door, '/send', { method: 'POST', headers: { 'content-type': 'application/json' }, body: facts.message }),
  ],
  [
    'fetch posts a new peer',
    (door, facts) =>
      ask(door, '/peers', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ peer: facts.stranger }),
      }),
  ],
  [
    'fetch posts a new relay',
    (door) =>
      ask(door, '/relays', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{"url":"wss://relay.example.com"}' }),
  ],
  [
    'fetch changes our name',
    (door) => ask(door, '/identity', { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"name":"owned"}' }),
  ],
  ['fetch removes a relay', (door, facts) => ask(door, `/relays/${encodeURIComponent(facts.relay)}`, { method: 'DELETE' })],
  ['fetch forgets a peer', (door, facts) => ask(door, `/peers/${facts.peer}`, { method: 'DELETE' })],
  ['fetch posts text without asking', (door, facts) => ask(door, '/send', { method: 'POST', mode: 'no-cors', body: facts.message })],
  [
    'fetch posts text to /peers without asking',
    (door, facts) => ask(door, '/peers', { method: 'POST', mode: 'no-cors', body: JSON.stringify({ peer: facts.stranger }) }),
  ],
  [
    'fetch posts text to /relays without asking',
    (door) => ask(door, '/relays', { method: 'POST', mode: 'no-cors', body: '{"url":"wss://relay.example.com"}' }),
  ],
  [
    'fetch posts bytes of no kind',
    (door, facts) => ask(door, '/send', { method: 'POST', mode: 'no-cors', body: new TextEncoder().encode(facts.message) }),
  ],
  [
    'fetch posts a blob that says it is JSON',
    (door, facts) => ask(door, '/send', { method: 'POST', mode: 'no-cors', body: new Blob([facts.message], { type: 'application/json' }) }),
  ],
  [
    'fetch posts a form',
    (door, facts) => ask(door, '/send', { method: 'POST', mode: 'no-cors', body: new URLSearchParams({ body: facts.message }) }),
  ],
  [
    'fetch posts parts',
    (door, facts) => {
      const form = new FormData();
      form.append('body', facts.message);
      return ask(door, '/send', { method: 'POST', mode: 'no-cors', body: form });
    },
  ],
  [
    'fetch posts and outlives the page',
    (door, facts) => ask(door, '/send', { method: 'POST', mode: 'no-cors', keepalive: true, body: facts.message }),
  ],
  [
    'fetch posts without a referrer',
    (door, facts) => ask(door, '/send', { method: 'POST', mode: 'no-cors', referrerPolicy: 'no-referrer', body: facts.message }),
  ],
  ['fetch posts nothing', (door) => ask(door, '/messages/read', { method: 'POST', mode: 'no-cors' })],
  [
    'fetch posts through a redirect of ours',
    (door, facts) =>
      ask(facts.site, `/go?code=307&to=${encodeURIComponent(`${door}/send`)}`, { method: 'POST', mode: 'no-cors', body: facts.message }),
  ],
  ['XMLHttpRequest reads', (door) => xhr(door, 'GET', '/status')],
  ['XMLHttpRequest posts text', (door, facts) => xhr(door, 'POST', '/send', facts.message, 'text/plain')],
  ['XMLHttpRequest posts JSON', (door, facts) => xhr(door, 'POST', '/send', facts.message, 'application/json')],
  [
    'a form posts a form',
    (door, facts) => submit(door, '/send', 'application/x-www-form-urlencoded', Object.entries(JSON.parse(facts.message))),
  ],
  ['a form posts parts', (door, facts) => submit(door, '/send', 'multipart/form-data', Object.entries(JSON.parse(facts.message)))],
  // Name, "=" and value together are JSON.
  [
    'a form posts text that is JSON',
    (door, facts) => submit(door, '/send', 'text/plain', [[`${facts.message.slice(0, -1)},"subject":"`, '"}']]),
  ],
  [
    'a form posts text that is a peer',
    (door, facts) => submit(door, '/peers', 'text/plain', [[`{"peer":"${facts.stranger}","petname":"`, '"}']]),
  ],
  [
    'a form posts through a redirect of ours',
    (door, facts) =>
      submit(facts.site, `/go?code=307&to=${encodeURIComponent(`${door}/send`)}`, 'text/plain', [
        [`${facts.message.slice(0, -1)},"subject":"`, '"}'],
      ]),
  ],
  ['a beacon of text', (door, facts) => void navigator.sendBeacon(`${door}/send`, facts.message) ?? ''],
  [
    'a beacon that says it is JSON',
    (door, facts) => void navigator.sendBeacon(`${door}/send`, new Blob([facts.message], { type: 'application/json' })) ?? '',
  ],
  [
    'the ping of a link',
    (door) => {
      const link = Object.assign(document.createElement('a'), { href: '#', ping: `${door}/messages/read` });
      document.body.append(link);
      link.click();
      return '';
    },
  ],
  [
    'a WebSocket',
    (door) =>
      timed(
        new Promise((resolve) => {
          const socket = new WebSocket(`${door.replace('http', 'ws')}/events`);
          socket.onmessage = (event) => resolve(event.data);
          socket.onclose = () => resolve('');
        }),
      ),
  ],
  [
    'an EventSource',
    (door) =>
      timed(
        new Promise((resolve) => {
          const source = new EventSource(`${door}/events`);
          source.onmessage = (event) => resolve(event.data);
          source.onopen = () => resolve('open');
          source.onerror = () => (source.close(), resolve(''));
        }),
      ),
  ],
  ['a picture', (door) => put('img', { src: `${door}/status` })],
  ['a picture without a referrer', (door) => put('img', { referrerPolicy: 'no-referrer', src: `${door}/status` })],
  ['a script', (door) => put('script', { src: `${door}/status` })],
  ['a module', (door) => put('script', { type: 'module', src: `${door}/status` })],
  ['a style sheet', (door) => put('link', { rel: 'stylesheet', href: `${door}/status` })],
  ['a frame', (door) => framed(() => document.body.append(Object.assign(document.createElement('iframe'), { src: `${door}/docs` })))],
  [
    'an object',
    (door) =>
      framed(() => document.body.append(Object.assign(document.createElement('object'), { type: 'text/html', data: `${door}/docs` }))),
  ],
  ['a frame of no origin', (door) => byFrame((html) => ({ sandbox: 'allow-scripts', srcdoc: html }), door)],
  ['a frame from a data: address', (door) => byFrame((html) => ({ src: `data:text/html,${encodeURIComponent(html)}` }), door)],
  ['a worker', (door, facts) => byWorker(new Worker(`${facts.site}/worker.js`), door)],
];

/** A new window, and a service worker where the page may have one. Run last: they leave the page. */
export const FROM_A_SECURE_CONTEXT = [
  [
    'a service worker',
    async (door, facts) => {
      await navigator.serviceWorker.register(`${facts.site}/worker.js`);
      const { active } = await navigator.serviceWorker.ready;
      return timed(
        new Promise((resolve) => {
          navigator.serviceWorker.onmessage = (event) => resolve(event.data);
          active.postMessage(`${door}/status`);
        }),
      );
    },
  ],
  ['a new window', (door) => framed(() => window.open(`${door}/docs`))],
];

/** For a page whose name leads to this machine since a moment ago: nothing is of another origin for its browser. */
export const FROM_A_REBOUND_NAME = [
  ...PATHS.map((path) => [`fetch reads ${path}`, `(door) => ask(door, ${JSON.stringify(path)})`]),
  ['fetch without a referrer', (door) => ask(door, '/peers', { referrerPolicy: 'no-referrer' })],
  [
    'fetch posts JSON',
    (door, facts) => ask(door, '/send', { method: 'POST', headers: { 'content-type': 'application/json' }, body: facts.message }),
  ],
  [
    'fetch posts JSON without a referrer',
    (door, facts) =>
      ask(door, '/send', {
        method: 'POST',
        referrerPolicy: 'no-referrer',
        headers: { 'content-type': 'application/json' },
        body: facts.message,
      }),
  ],
  [
    'fetch posts a new peer',
    (door, facts) =>
      ask(door, '/peers', {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ peer: facts.stranger }),
      }),
  ],
  [
    'fetch changes our name',
    (door) => ask(door, '/identity', { method: 'PATCH', headers: { 'content-type': 'application/json' }, body: '{"name":"owned"}' }),
  ],
  ['fetch removes a relay', (door, facts) => ask(door, `/relays/${encodeURIComponent(facts.relay)}`, { method: 'DELETE' })],
  ['XMLHttpRequest reads', (door) => xhr(door, 'GET', '/peers')],
  [
    'a form posts text that is JSON',
    (door, facts) => submit(door, '/send', 'text/plain', [[`${facts.message.slice(0, -1)},"subject":"`, '"}']]),
  ],
  [
    'an EventSource',
    (door) =>
      timed(
        new Promise((resolve) => {
          const source = new EventSource(`${door}/events`);
          source.onmessage = (event) => resolve(event.data);
          source.onopen = () => resolve('open');
          source.onerror = () => (source.close(), resolve(''));
        }),
      ),
  ],
  ['a frame', (door) => framed(() => document.body.append(Object.assign(document.createElement('iframe'), { src: `${door}/docs` })))],
];

export const factsFor = (peer, stranger, relay, site) => ({ peer, stranger, relay, site, message: JSON.stringify(message({ peer })) });
