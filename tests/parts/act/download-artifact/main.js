// The rules of actions/download-artifact v8 that a workflow can trip over: a name unpacks straight into the folder,
// a pattern gives each artifact a folder of its own unless they are merged, and a missing name is an error.
const path = require('path')
const { DefaultArtifactClient } = require('@actions/artifact')
const core = require('../core')

async function main () {
  const name = core.input('name')
  const target = path.resolve(process.env.GITHUB_WORKSPACE || '.', core.input('path').replace(/^~/, process.env.HOME))
  const client = new DefaultArtifactClient()
  let { artifacts } = await client.listArtifacts({ latest: true })
  if (name) artifacts = artifacts.filter(artifact => artifact.name === name)
  else if (core.input('pattern')) artifacts = artifacts.filter(artifact => core.matcher(core.input('pattern')).test(artifact.name))
  if (name && !artifacts.length) throw new Error(`Unable to download artifact(s): Artifact not found for name: ${name}`)
  for (const artifact of artifacts) {
    const flat = name || core.flag('merge-multiple')
    await client.downloadArtifact(artifact.id, { path: flat ? target : path.join(target, artifact.name) })
    console.log(`Artifact ${artifact.name} was downloaded`)
  }
  core.output('download-path', target)
}

main().catch(core.fail)
