/** Good files that together use most of what can be set: file name and content. */
export const CONFIG_SEEDS: readonly (readonly [file: string, json: unknown])[] = [
  [
    'tollgate.json',
    {
      mode: 'development',
      data: { host: '127.0.0.1', port: 8080, origins: ['https://app.test'] },
      admin: { port: 0 },
      health: { port: 0 },
      bounds: { bodyBytes: 65_536, jsonDepth: 32 },
      egress: { allow: ['10.0.0.0/8', 'db.test:443'] },
      identity: {
        issuers: [
          {
            issuer: 'https://idp.test',
            jwks: { discovery: true },
            algorithms: ['ES256'],
            claims: { team: '/realm/team', roles: { cel: 'claims.roles' } },
          },
        ],
        anonymous: { team: 'guests' },
      },
      providers: {
        openai: { type: 'openai', key: 'env:KEY' },
        claude: { type: 'anthropic', key: 'env:KEY' },
        cloud: { type: 'gemini', key: 'env:KEY' },
        local: { type: 'openai_compatible', profile: 'ollama' },
        demo: { type: 'demo' },
      },
      routes: {
        fast: {
          targets: [
            { provider: 'openai', model: 'gpt-5', weight: 3 },
            { provider: 'claude', model: 'claude-sonnet-4-5', when: 'request.tools.size() == 0' },
          ],
        },
        demo: { targets: [{ provider: 'demo', model: 'tollgate-demo' }] },
      },
      guards: { words: { evaluators: [{ type: 'pattern', patterns: ['\\bsecret\\b'], action: 'block' }] } },
      prices: ['prices.json'],
      telemetry: { level: 'info' },
    },
  ],
  [
    'servers/notes.json',
    {
      type: 'http',
      url: 'https://notes.test/mcp',
      title: 'Notes',
      credential: { type: 'bearer', token: 'env:KEY' },
      labels: { content: 'internal' },
    },
  ],
  ['servers/clock.json', { type: 'stdio', command: 'node', args: ['clock.mjs'], env: { ZONE: '${NAME}' } }],
  [
    'catalogs/research.json',
    {
      title: 'Research',
      for: { teams: ['research'], when: '"x" in principal.groups' },
      tools: [
        {
          server: 'notes',
          tool: 'take',
          as: 'take_note',
          when: 'size(args.text) < 10',
          arguments: { set: { a: 1 }, hide: ['b'] },
          limits: { callsPerMinute: 3, by: 'user' },
        },
        { server: 'clock', allow: ['*'], deny: ['set_*'] },
      ],
      models: [{ route: 'fast', when: 'request.model != ""' }, { route: 'demo' }],
      budgets: [{ usd: '10', per: 'day' }],
      limits: { callsPerMinute: 600, concurrent: 32, by: 'team' },
    },
  ],
  ['revocations.json', { jti: ['a'], subjects: [{ issuer: 'https://idp.test', subject: 's' }] }],
  [
    'prices.json',
    {
      name: 'own',
      source: 'Invented.',
      prices: [{ provider: 'demo', model: 'tollgate-demo', usdPerMillion: { input: '1', output: '5' } }],
    },
  ],
]
