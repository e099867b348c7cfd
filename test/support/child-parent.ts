// A gateway in small, for tests that kill it: three children (a tame one, a stubborn one, a tree of three processes) and the guard.
// Prints one line of JSON with the process ids, then waits to be killed.
import { callTool, jsonOf, StdioBench } from './stdio-fixtures.ts'

const bench = new StdioBench()
const children = await Promise.all([bench.child(), bench.child(['--stubborn']), bench.child(['--stubborn', '--tree'])])
const where = await Promise.all(children.map(async (child) => jsonOf(await callTool(child, 'where'))))

process.stdout.write(
  `${JSON.stringify({
    children: where.map(({ pid }) => pid),
    descendants: where.flatMap(({ descendants }) => descendants),
    guard: bench.guard.pid(),
  })}\n`,
)
