// What actions/cache/restore v5 does around its client: a miss is no error, and neither is a server that fails.
const core = require('../../core')
const { cache, paths } = require('../client')

async function main () {
  if (!cache.isFeatureAvailable()) return console.log('There is no cache service')
  const keys = core.lines('restore-keys')
  const found = await cache.restoreCache(paths(), core.input('key'), keys)
  if (!found) return console.log(`Cache not found for input keys: ${[core.input('key'), ...keys].join(', ')}`)
  core.output('cache-matched-key', found)
  core.output('cache-hit', String(found.toLowerCase() === core.input('key').toLowerCase()))
  console.log(`Cache restored from key: ${found}`)
}

main().then(() => process.exit(0), core.fail)
