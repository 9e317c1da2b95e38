// What actions/cache/save v5 does around its client: whatever fails is a warning.
const core = require('../../core')
const { cache, paths } = require('../client')

const warn = error => console.log(`::warning::${core.data(error.message)}`)

cache.saveCache(paths(), core.input('key')).then(
  id => id === -1 ? warn(new Error('Cache save failed.')) : console.log(`Cache saved with key: ${core.input('key')}`), warn
).then(() => process.exit(0))
