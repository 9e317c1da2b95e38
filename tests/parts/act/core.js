// What both stand-ins need of the runner's protocol.
const crypto = require('crypto')
const fs = require('fs')

const input = name => (process.env[`INPUT_${name.toUpperCase()}`] || '').trim()
const data = text => String(text).replace(/%/g, '%25').replace(/\r/g, '%0D').replace(/\n/g, '%0A')

module.exports = {
  input,
  data,
  flag: name => input(name) === 'true',
  lines: name => input(name).split('\n').map(line => line.trim()).filter(Boolean),
  matcher: pattern => new RegExp(`^${pattern.replace(/[.+?^${}()|[\]\\]/g, '\\$&').replace(/\*+/g, '.*')}$`),
  output (name, value) {
    const mark = `end_${crypto.randomUUID()}`
    fs.appendFileSync(process.env.GITHUB_OUTPUT, `${name}<<${mark}\n${value}\n${mark}\n`)
  },
  fail (error) {
    console.log(`::error::${data(error.message)}`)
    process.exitCode = 1
  }
}
