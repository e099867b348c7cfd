/** One support ticket. */
export interface Ticket {
  readonly id: string
  readonly subject: string
  readonly body: string
  readonly priority: 'low' | 'normal' | 'high'
  readonly status: 'open' | 'closed'
  readonly customer: string
  readonly resolution?: string
}

/** What opens a ticket. */
export type NewTicket = Pick<Ticket, 'subject' | 'body' | 'customer'> & { readonly priority?: Ticket['priority'] | undefined }

/** Tickets of one process: gone when it ends. */
export interface TicketStore {
  open(ticket: NewTicket): Ticket
  get(id: string): Ticket | undefined
  search(filter: { readonly query?: string | undefined; readonly status?: Ticket['status'] | undefined }): readonly Ticket[]
  close(id: string, resolution: string): Ticket | undefined
}

const MAX_TICKETS = 10_000

const SEED: readonly NewTicket[] = [
  { subject: 'Cannot sign in', body: 'The sign-in page says my code expired.', customer: 'Northwind', priority: 'high' },
  { subject: 'Invoice 1044 is wrong', body: 'We were charged twice for seat 12.', customer: 'Contoso' },
  { subject: 'Dark mode', body: 'Please add it to the reports page.', customer: 'Fabrikam', priority: 'low' },
]

/** Makes a store with a few tickets in it. */
export function createTicketStore(): TicketStore {
  const tickets = new Map<string, Ticket>()
  let last = 1000

  const store: TicketStore = {
    open({ priority = 'normal', ...rest }) {
      if (tickets.size >= MAX_TICKETS) throw new Error(`there are ${MAX_TICKETS} tickets already`)
      const ticket: Ticket = { id: `T-${++last}`, ...rest, priority, status: 'open' }
      tickets.set(ticket.id, ticket)
      return ticket
    },
    get: (id) => tickets.get(id),
    search({ query = '', status }) {
      const wanted = query.toLowerCase()
      return [...tickets.values()].filter(
        (ticket) =>
          (status === undefined || ticket.status === status) &&
          `${ticket.id} ${ticket.subject} ${ticket.body} ${ticket.customer}`.toLowerCase().includes(wanted),
      )
    },
    close(id, resolution) {
      const ticket = tickets.get(id)
      if (ticket === undefined) return undefined
      const closed: Ticket = { ...ticket, status: 'closed', resolution }
      tickets.set(id, closed)
      return closed
    },
  }
  for (const ticket of SEED) store.open(ticket)
  return store
}
