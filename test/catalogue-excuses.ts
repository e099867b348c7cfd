/** Rows that do not apply, and why. */
export const EXCUSED: Readonly<Record<string, string>> = {
  A23: 'Tokens are not bound to a connection (no DPoP, no client certificates), so a replay within the lifetime is accepted, as SECURITY.md says.',
  A26: 'Keys are compared by timingSafeEqual over a keyed hash, for unknown ids too; time on a machine that others share proves nothing more.',
  A28: 'The gateway signs in to upstreams with client credentials only, so there is no authorization response that could be mixed up.',
  D11: 'The tasks extension is not offered, so no task id is ever handed out.',
  D13: 'An exchange cannot be made without an identity: its type demands one and no default exists.',
  E24: 'Upstreams speak MCP; there are no servers made from REST descriptions, so no argument becomes part of an address.',
  F03: 'No package or image metadata is read: the argument list of a child stands in its file alone.',
  H09: 'The gateway keeps no answers and knows no idempotency keys, so a call that is sent again is another call and costs again.',
  H21: 'What calls hold has one owner and ends with them, so there is no sweeper that could be there twice.',
  H23: 'Entries keep the name of the team as text and teams are no objects, so nothing can be renamed or merged.',
  L03: 'The admin API takes no fields: its only write is a reload of the files.',
  L04: 'Keys are made on the command line by whoever owns the state folder, never over the network.',
  L05: 'Rights stand in files that only operators write; no caller can name any.',
  L06: 'There is one write, a reload, and so no second verb that could check less.',
  L07: 'No route tests a connection: servers are those of the files.',
  L12: 'No page is rendered, so no text of an upstream becomes a link.',
  L13: 'Roles of the admin API hold for the whole gateway; there are no objects of one team to reach from another.',
  L14: 'There is no console and no login: every admin request carries its own credential.',
  L15: 'There is no console and so no sign-in through OAuth.',
  L16: 'No route redirects, and no parameter names a place to go to.',
  L18: 'The only privileged write is a reload of operator files, which leaves a log line and needs no audit record.',
  M11: 'What is redacted is replaced by a fixed word and no map is kept, so there is nothing that could be turned back or crossed.',
  M13: 'Nothing takes code: evaluators are part of the program, conditions are CEL, patterns are linear.',
  N01: 'Gateways share nothing but keys of sealed sessions, so another one goes on with them, and what a kill leaves is row H12.',
  N02: 'There is no shared store beside the state folder.',
  N03: 'There is no shared store beside the state folder.',
  N04: 'There is no database server: the ledger is a journal and SQLite on local disk.',
  N05: 'There is no database server; a disk that is away is rows H13 to H15.',
  N06: 'There is no store on the network that a partition could cut off.',
  N08: 'Gateways share no store to rush at; how one comes back after a kill is row H12.',
  N09: 'Gateways share no state that a restart in turn could lose; what a load balancer sees of one that ends is row I10.',
  N10: 'Gateways share no limits or budgets, so their clocks need not agree; a clock that jumps is row H16.',
  N11: 'One thread reads the files and tells all workers, and each call keeps the snapshot it began with, which row I07 shows.',
  N12: 'No store on the network answers; lines of the journal that are not ours are put aside, as the ledger tests show.',
  N13: 'Breakers of one gateway are its own, and no other one learns from them.',
  N14: 'Gateways form no group that another one could join.',
  O05: 'What a package changes is read by people; tests ask only for its record of days and its row in ARCHITECTURE.md.',
}

/** Rows the gateway does not stand up to yet, and what is missing. */
export const MISSING: Readonly<Record<string, string>> = {
  F05: 'A child is started as its operator-owned file says; its program is not bound to a digest of its content.',
  L17: 'Entries are not chained by hashes, so whoever can write the state folder can change them unseen.',
  M04: 'Guards look at words as they are; encodings, look-alikes and split words are not undone first.',
  M10: 'Words are judged on the main thread in linear time, about 50 ms for a million characters, and not in pieces.',
  M14: 'Sessions carry no labels of where their words came from; catalogs and conditions are what keeps sources apart.',
}

/** Rows that a test runs in part or at a smaller count, and what is left. */
export const SHORTENED: Readonly<Record<string, string>> = {
  C20: 'The suite runs mutated envelopes for seconds with a fixed seed; millions of them are for the open-ended fuzzer.',
  D01: 'The suite runs hundreds of marked calls; a hundred thousand are a figure of the proof.',
  D18: 'The suite abandons sixty sessions, not ten thousand; all of them are a figure of the proof.',
  G26: 'The suite holds 200 idle streams instead of 2,000.',
  H12: 'The suite kills as often as KILLS says, 50 times by default.',
  H22: 'Questions run in a thread of their own; the suite asks over thousands of rows, and ten million are for the bench.',
  I04: 'The suite measures one bad file and twelve good ones; a file is refused beyond 100,000 values instead of by a worker.',
  I12: 'SIGHUP has no handler and ends the process at once; files are followed by themselves, so nothing needs it.',
  J03: 'NODE_DEBUG is refused; DEBUG lets the router of the admin listener print targets, where no credential is accepted.',
  J05: 'Heap endpoints are absent; the size of core files is set by whoever starts the process.',
  N07: 'Slow, cut and stalled lines are run through a proxy in this process; no packet is lost on purpose.',
  N15: 'Floods of connections are run against the caps; nobody cuts a network off and heals it.',
}

type Proof = readonly [file: string, title: string]

const budgets = 'test/unit/metering/budgets.test.ts'
const faults = 'test/flow/ledger-faults.test.ts'
const governed = 'test/flow/llm-governed.test.ts'
const guarded = 'test/flow/llm-guard.test.ts'
const month = 'test/flow/llm-month.test.ts'
const road = 'test/unit/pipeline/govern.test.ts'

/** Rows proven by tests whose names do not begin with the id: the file, and words of the name. */
export const PROVEN: Readonly<Record<string, readonly Proof[]>> = {
  D22: [['test/flow/upstream-faults.test.ts', 'E20 a session that ended is opened again once, and the call is made once']],
  H01: [[budgets, 'what is reserved counts until it is settled']],
  H02: [
    [budgets, 'each team has its own balance, read from the ledger at the start'],
    [budgets, 'a budget whose balance is not read yet refuses instead of beginning at zero'],
  ],
  H03: [['test/unit/config/routes.test.ts', 'a budget of nothing']],
  H04: [[budgets, 'all budgets grant or none is touched']],
  H05: [
    [governed, 'refuse a call they do not cover, in the words of each dialect'],
    [road, 'a budget that does not cover the call refuses it before the upstream'],
  ],
  H07: [[month, 'has one last entry for every exchange, and attempts without gaps']],
  H08: [[road, 'writes one entry per attempt, each with its own provider, usage and cost']],
  H10: [[road, 'a block by the guard before the upstream costs nothing']],
  H11: [['test/unit/metering/limits.test.ts', 'reserves an estimate and puts the true count in its place']],
  H13: [
    [faults, 'a full disk: memory is bounded and nobody waits for ever; what was taken is written later'],
    [road, 'when the ledger cannot be written the upstream is not opened'],
  ],
  H14: [
    [faults, 'a failed sync (strict): nothing is acknowledged before a later sync worked, and nothing is there twice'],
    [faults, 'a damaged database is refused at the start with words'],
  ],
  H15: [[faults, 'a full disk with a spill: calls go on until it is nearly full, status says why']],
  H17: [['test/unit/metering/usage-query.test.ts', 'sums of money are exact, also beyond what a double holds']],
  H18: [['test/flow/llm-prices.test.ts', 'a price file that changes is in force without a restart']],
  H19: [
    [governed, 'a target without a price is refused under one, unless its route allows it; counting stays free'],
    [road, 'an attempt whose price is not known is flagged and has no price, never zero'],
  ],
  H20: [[road, 'a cost nobody knows spends what was set aside for it']],
  H22: [['test/unit/metering/usage-query.test.ts', 'percentiles are exact, by nearest rank, in every group']],
  H24: [[budgets, 'however calls overlap, the balance is the sum of what was settled, and nothing stays reserved']],
  J04: [['test/unit/telemetry/events.test.ts', 'an unexpected error is logged with its causes and without what they carry']],
  J07: [
    ['test/unit/mcp/seal.test.ts', 'does not open for another purpose, with another key, or after any change of one character'],
  ],
  L09: [
    ['test/unit/admin/models.test.ts', 'gives one page for people, those in trouble first, harmless for a terminal'],
    ['test/unit/metering/usage-format.test.ts', 'a table does not carry out what a name says to a terminal'],
  ],
  L19: [['test/unit/metering/usage-query.test.ts', 'what a caller wrote is a value, never SQL']],
  L20: [['test/unit/metering/usage-query.test.ts', 'more groups than anybody reads is an error, not a cut list']],
  M01: [
    [guarded, 'at $path from $model with forbidden words is stopped before them (stream: $stream)'],
    ['test/unit/guard/stream.test.ts', 'blocks what judging the whole blocks, and nothing of it goes out'],
  ],
  M02: [
    [guarded, 'at $path to $model with forbidden words never leaves (stream: $stream)'],
    [guarded, 'judges arguments and results of MCP calls'],
  ],
  M03: [['test/unit/pipeline/words.test.ts', 'words of some members of an object']],
  M05: [
    ['test/unit/guard/chain.test.ts', 'merges what overlaps, whoever found it'],
    ['test/unit/lib/pattern-scan.test.ts', 'spans cover every match'],
  ],
  M06: [[guarded, 'at $path from $model is stopped whole (stream: $stream)']],
  M07: [['test/unit/guard/chain.test.ts', 'one that throws and fails closed blocks']],
  M08: [['test/unit/lib/pattern-scan.test.ts', 'takes linear time on %s']],
  M09: [['test/unit/guard/guards.test.ts', 'a pattern that can never match']],
  M12: [['test/unit/guard/guards.test.ts', 'gives no guard']],
  N07: [['test/flow/hostile-networks.test.ts', 'cut at every byte of the answer, late, narrow and in single bytes']],
  N15: [['test/flow/http-edge-floods.test.ts', 'all addresses together get so many connections, and one that leaves makes room']],
  N16: [['test/flow/operations.test.ts', 'changes nothing for the others and shows in readiness']],
}
