import { z } from 'zod'
import { SecretReference } from './reference.ts'

const url = z.url({ protocol: /^https?$/ })

/** What every provider may say. */
const common = {
  enabled: z.boolean().default(true).meta({ description: 'false: no new request goes there; streams under way finish.' }),
  connections: z.int().min(1).max(10_000).default(256).meta({ description: 'Connections to it at one time.' }),
  headers: z
    .record(z.string().regex(/^[A-Za-z0-9-]+$/, 'must be a header name'), z.string().max(1024))
    .default({})
    .meta({ description: 'Fixed headers sent with every request; no credentials here.' }),
}

const AwsStatic = z.strictObject({
  type: z.literal('static'),
  accessKeyId: SecretReference,
  secretAccessKey: SecretReference,
  sessionToken: SecretReference.optional(),
})

/** How requests to Amazon Bedrock are signed. */
export const AwsCredentials = z.discriminatedUnion('type', [
  AwsStatic.meta({ description: 'An access key, signed with SigV4.' }),
  z
    .strictObject({ type: z.literal('api_key'), key: SecretReference })
    .meta({ description: 'A Bedrock API key, sent as a bearer token.' }),
  z
    .strictObject({
      type: z.literal('assume_role'),
      roleArn: z.string().min(20).meta({ description: 'The role to assume.' }),
      externalId: z.string().min(2).max(1224).optional().meta({ description: 'Asked for by the trust policy of the role.' }),
      sessionName: z
        .string()
        .regex(/^[\w+=,.@-]{2,64}$/)
        .default('tollgate')
        .meta({ description: 'Name of the session in the audit log of AWS.' }),
      source: AwsStatic.meta({ description: 'Who assumes the role.' }),
      stsUrl: url.optional().meta({ description: 'Default: the regional STS endpoint.' }),
    })
    .meta({ description: 'STS AssumeRole with an access key.' }),
  z
    .strictObject({
      type: z.literal('web_identity'),
      roleArn: z.string().min(20).meta({ description: 'The role to assume.' }),
      token: SecretReference.meta({
        description: 'The OIDC token, usually "file:/var/run/secrets/.../token"; read anew for every use.',
      }),
      sessionName: z
        .string()
        .regex(/^[\w+=,.@-]{2,64}$/)
        .default('tollgate')
        .meta({ description: 'Name of the session in the audit log of AWS.' }),
      stsUrl: url.optional().meta({ description: 'Default: the regional STS endpoint.' }),
    })
    .meta({ description: 'STS AssumeRoleWithWebIdentity (IRSA).' }),
  z
    .strictObject({
      type: z.literal('container'),
      url: url.meta({ description: 'AWS_CONTAINER_CREDENTIALS_FULL_URI of the container.' }),
      token: SecretReference.optional(),
    })
    .meta({ description: 'Container credentials endpoint (EKS Pod Identity, ECS).' }),
  z
    .strictObject({
      type: z.literal('metadata'),
      url: url.default('http://169.254.169.254').meta({ description: 'The metadata service.' }),
    })
    .meta({ description: 'Instance metadata (IMDSv2); the address must be in egress.allow.' }),
])
export type AwsCredentials = z.infer<typeof AwsCredentials>

/** How requests to Google are signed. */
export const GoogleCredentials = z.discriminatedUnion('type', [
  z
    .strictObject({ type: z.literal('service_account'), key: SecretReference })
    .meta({ description: 'A service account key (the JSON file), exchanged for access tokens.' }),
  z
    .strictObject({
      type: z.literal('metadata'),
      url: url.default('http://metadata.google.internal').meta({ description: 'The metadata server.' }),
    })
    .meta({ description: 'The metadata server of GCE and GKE; its address must be in egress.allow.' }),
  z
    .strictObject({
      type: z.literal('workload_identity'),
      audience: z.string().min(1).meta({ description: 'The workload identity provider, //iam.googleapis.com/projects/...' }),
      subjectToken: SecretReference,
      subjectTokenType: z
        .string()
        .default('urn:ietf:params:oauth:token-type:jwt')
        .meta({ description: 'Kind of the subject token.' }),
      tokenUrl: url.default('https://sts.googleapis.com/v1/token').meta({ description: 'Where the token is exchanged.' }),
      serviceAccount: z.string().optional().meta({ description: 'E-mail of a service account to act as.' }),
      impersonationUrl: url
        .default('https://iamcredentials.googleapis.com')
        .meta({ description: 'Where the service account is asked for.' }),
    })
    .meta({ description: 'Workload identity federation (STS token exchange).' }),
  z.strictObject({ type: z.literal('token'), token: SecretReference }).meta({ description: 'An access token, by reference.' }),
])
export type GoogleCredentials = z.infer<typeof GoogleCredentials>

/** How requests to Azure are signed. */
export const AzureCredentials = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('key'), key: SecretReference }).meta({ description: 'The api-key of the resource.' }),
  z
    .strictObject({
      type: z.literal('entra'),
      tenantId: z.string().min(1).meta({ description: 'The Entra tenant.' }),
      clientId: z.string().min(1).meta({ description: 'The client of the app registration or identity.' }),
      clientSecret: SecretReference,
      tokenUrl: url.optional().meta({ description: 'Default: https://login.microsoftonline.com/<tenantId>/oauth2/v2.0/token.' }),
    })
    .meta({ description: 'Entra ID client credentials.' }),
  z
    .strictObject({
      type: z.literal('workload_identity'),
      tenantId: z.string().min(1).meta({ description: 'The Entra tenant.' }),
      clientId: z.string().min(1).meta({ description: 'The client of the app registration or identity.' }),
      assertion: SecretReference,
      tokenUrl: url.optional().meta({ description: 'Default: as for entra.' }),
    })
    .meta({ description: 'Entra ID with a federated token (AKS workload identity).' }),
  z
    .strictObject({
      type: z.literal('managed_identity'),
      clientId: z.string().optional().meta({ description: 'Which identity, when the machine has several.' }),
      url: url.default('http://169.254.169.254').meta({ description: 'The metadata service.' }),
    })
    .meta({ description: 'Managed identity of the machine; the address must be in egress.allow.' }),
])
export type AzureCredentials = z.infer<typeof AzureCredentials>

/** OpenAI-shaped providers whose deviations are known; a row each in `src/llm/providers/openai-compatible-profiles.ts`. */
export const PROFILES = [
  'generic',
  'mistral',
  'groq',
  'deepseek',
  'together',
  'openrouter',
  'ollama',
  'vllm',
  'xai',
  'fireworks',
  'cerebras',
  'databricks',
  'perplexity',
] as const

/** Profiles without an address of their own, since every installation has another: there baseUrl must be given. */
export const PROFILES_WITHOUT_ADDRESS: ReadonlySet<(typeof PROFILES)[number]> = new Set(['generic', 'databricks'])

/** One provider of models. */
export const Provider = z.discriminatedUnion('type', [
  z.strictObject({
    type: z.literal('openai'),
    baseUrl: url.default('https://api.openai.com/v1').meta({ description: 'Where requests go, with the version path.' }),
    key: SecretReference,
    organization: z.string().min(1).optional().meta({ description: 'Sent as OpenAI-Organization.' }),
    project: z.string().min(1).optional().meta({ description: 'Sent as OpenAI-Project.' }),
    ...common,
  }),
  z.strictObject({
    type: z.literal('anthropic'),
    baseUrl: url.default('https://api.anthropic.com/v1').meta({ description: 'Where requests go, with the version path.' }),
    key: SecretReference,
    ...common,
  }),
  z.strictObject({
    type: z.literal('gemini'),
    baseUrl: url
      .default('https://generativelanguage.googleapis.com/v1beta')
      .meta({ description: 'Where requests go, with the version path.' }),
    key: SecretReference,
    ...common,
  }),
  z.strictObject({
    type: z.literal('vertex'),
    project: z.string().min(1).meta({ description: 'The Google Cloud project.' }),
    location: z
      .string()
      .regex(/^[a-z0-9-]+$/)
      .default('global')
      .meta({ description: 'A region such as europe-west1, or global. A target may name another.' }),
    baseUrl: url.optional().meta({ description: 'Default: the endpoint of the location.' }),
    credentials: GoogleCredentials.meta({ description: 'How requests are signed.' }),
    ...common,
  }),
  z.strictObject({
    type: z.literal('bedrock'),
    region: z
      .string()
      .regex(/^[a-z0-9-]+$/)
      .meta({ description: 'For instance eu-central-1. A target may name another.' }),
    baseUrl: url.optional().meta({ description: 'Default: the runtime endpoint of the region.' }),
    credentials: AwsCredentials.meta({ description: 'How requests are signed.' }),
    ...common,
  }),
  z.strictObject({
    type: z.literal('azure'),
    baseUrl: url.meta({ description: 'https://<resource>.openai.azure.com' }),
    apiVersion: z
      .string()
      .regex(/^[0-9a-z-]+$/)
      .optional()
      .meta({ description: 'The classic path with deployments; absent: the v1 path.' }),
    credentials: AzureCredentials.meta({ description: 'How requests are signed.' }),
    ...common,
  }),
  z.strictObject({
    type: z.literal('openai_compatible'),
    profile: z.enum(PROFILES).default('generic').meta({ description: 'Whose deviations from OpenAI to reckon with.' }),
    baseUrl: url
      .optional()
      .meta({ description: 'With its version path, for instance http://127.0.0.1:11434/v1. Default: from the profile.' }),
    key: SecretReference.optional(),
    ...common,
  }),
  z
    .strictObject({ type: z.literal('demo'), ...common })
    .meta({ description: 'Answers by itself, without a model: for trying the gateway out.' }),
])
export type Provider = z.infer<typeof Provider>
