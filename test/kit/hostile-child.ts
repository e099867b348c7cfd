// The child of hostile-stdio.ts: what comes on stdin goes to a port of the test, what comes from there goes to stdout. Nothing is read.
//   node test/kit/hostile-child.ts <port>
import { connect } from 'node:net'

const socket = connect({ port: Number(process.argv[2]), host: '127.0.0.1', noDelay: true })
process.stdin.pipe(socket)
socket.pipe(process.stdout)
socket.on('error', () => process.exit(5))
socket.on('close', () => process.exit(0))
process.stdout.on('error', () => process.exit(6))
