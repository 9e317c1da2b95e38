// GitHub's client. An entry's version is made from its paths as they are written, and a runner's temporary folder is the
// same for all of its jobs; act gives each job another, so here it is the home folder, and paths begin with ~.
const core = require('../core')
const cache = require('@actions/cache')

const temp = process.env.RUNNER_TEMP || '/nowhere'
process.env.HOME = temp

module.exports = {
  cache,
  paths: () => core.lines('path').map(path => path.startsWith(temp) ? '~' + path.slice(temp.length) : path)
}
