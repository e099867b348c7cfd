/** The doors of both facets. */
export const DOOR_PATHS = ['/v1/chat/completions', '/mcp'] as const
export type DoorPath = (typeof DOOR_PATHS)[number]

const META = '{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{}}'

/** A body that each door executes. */
export const DOOR_BODIES: Readonly<Record<DoorPath, string>> = {
  '/v1/chat/completions': '{"model":"openai","messages":[{"role":"user","content":"hi"}]}',
  '/mcp': `{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{"_meta":${META}}}`,
}

const FACET_HEADERS: Readonly<Record<DoorPath, string>> = {
  '/v1/chat/completions': '',
  '/mcp': 'Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/list\r\n',
}

/** What may differ from a request in order. */
export interface RequestParts {
  readonly line?: string
  /** Instead of the Host line; empty for none. */
  readonly host?: string
  /** Instead of the Content-Type line; empty for none. */
  readonly type?: string
  /** Instead of the credential; empty for none. */
  readonly credential?: string
  /** Lines of further headers, each with its end. */
  readonly headers?: string
  readonly body?: string
}

/** Requests by the byte to the doors of a gateway, with a caller's token. */
export interface DoorRequests {
  /** All lines but those of the framing, which come next. */
  front(path: DoorPath, parts?: RequestParts): string
  /** A whole request. */
  whole(path: DoorPath, parts?: RequestParts): string
}

/** Makes requests for a gateway. */
export function createDoorRequests({ url, token }: { readonly url: string; readonly token: string }): DoorRequests {
  const front = (path: DoorPath, parts: RequestParts = {}): string => {
    const {
      line = `POST ${path} HTTP/1.1`,
      host = `Host: ${new URL(url).host}\r\n`,
      type = 'Content-Type: application/json\r\n',
    } = parts
    const { credential = `Authorization: Bearer ${token}\r\n`, headers = '' } = parts
    return `${line}\r\n${host}${credential}${type}${FACET_HEADERS[path]}${headers}`
  }
  return {
    front,
    whole(path, parts = {}) {
      const { body = DOOR_BODIES[path] } = parts
      return `${front(path, parts)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`
    },
  }
}
