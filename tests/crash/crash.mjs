// `make crash`: proves that nothing acknowledged is lost, whatever dies. See options.mjs for what may be asked for.

import { plan } from './options.mjs'
import { crash } from './run.mjs'

// Ends through `exit`, where the servers and databases that were started are taken away.
for (const [signal, code] of [['SIGINT', 130], ['SIGTERM', 143], ['SIGHUP', 129]]) process.on(signal, () => process.exit(code))

const say = (line) => console.log(line)

async function main() {
  const runs = plan(process.argv.slice(2))
  let areAllGood = true
  for (const run of runs) {
    const what = run.servers > 1 ? `one of ${run.servers} servers (bus: ${run.bus})` : { both: 'the server and the database' }[run.mode] ?? `the ${run.mode}`
    say(`crash: ${run.store}, killing ${what} ${run.kills} times; ${run.clients} clients in ${run.rooms} rooms, SEED=${run.seed}`)
    areAllGood = (await crash(run, say)) && areAllGood
  }
  say(areAllGood ? 'crash: nothing lost, nothing duplicated' : 'crash: FAILED')
  process.exitCode = areAllGood ? 0 : 1
}

try {
  await main()
} catch (error) {
  console.error(error.message)
  process.exitCode = 2
}
