// npm run image: builds the one image of all services (deploy/image/Dockerfile) with buildah, podman or docker, whichever is there.
import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { elapsed, root, run, say } from './workspace.js'

const { version } = JSON.parse(readFileSync(join(root, 'apps/cli/package.json'), 'utf8'))
const BUILDERS = ['buildah', 'podman', 'docker']
const HELP = `npm run image -- [options]: builds the image that every role runs from

  --tag NAME:TAG       what to call it (default: koi-mcp:${version})
  --archive FILE       write it to a file as well, as \`docker load\` and \`ctr images import\` take it
  --base IMAGE         what the services run on: glibc, libstdc++ and certificates (default: debian:12-slim)
  --build-base IMAGE   what they are built on: Node and npm (default: node:24-bookworm)
  --npmrc FILE         where packages come from (default: npm's own user configuration)
  --builder NAME       ${BUILDERS.join(', ')} (default: the first of these that is there)

The same sources and bases give the same layers, byte for byte.
`

/** @returns {never} */
function refuse(/** @type {string} */ message) {
  say(`npm run image: ${message}\nTry npm run image -- --help.`)
  process.exit(2)
}

function readOptions() {
  const text = /** @type {const} */ ({ type: 'string' })
  try {
    return parseArgs({
      options: {
        tag: { type: 'string', default: `koi-mcp:${version}` },
        archive: text,
        base: text,
        'build-base': text,
        npmrc: text,
        builder: text,
        help: { type: 'boolean', short: 'h', default: false },
      },
    }).values
  } catch (error) {
    return refuse(error instanceof Error ? error.message : String(error))
  }
}

const answers = (/** @type {string} */ command) => spawnSync(command, ['--version']).status === 0

/** The user's own npm configuration, where there is one. */
function userNpmrc() {
  const path = spawnSync('npm', ['config', 'get', 'userconfig'], { cwd: root, encoding: 'utf8' }).stdout?.trim()
  return path && existsSync(path) ? path : undefined
}

const options = readOptions()
if (options.help) {
  process.stdout.write(HELP)
  process.exit(0)
}
const builder = options.builder ?? BUILDERS.find(answers)
if (builder === undefined)
  refuse(`none of ${BUILDERS.join(', ')} is on this machine. Install one, for example: apt-get install buildah`)
if (!BUILDERS.includes(builder)) refuse(`--builder is one of ${BUILDERS.join(', ')}`)
const archive = options.archive === undefined ? undefined : resolve(options.archive)
const npmrc = options.npmrc ?? userNpmrc()
if (npmrc !== undefined && !existsSync(npmrc)) refuse(`there is no file ${npmrc} (--npmrc)`)

const since = performance.now()
// Every file has the time 0, and so has the image. Docker's format, for OCI's knows no health check.
const reproducible = builder === 'docker' ? [] : ['--format', 'docker', '--timestamp', '0']
const bases = Object.entries({ BASE: options.base, BUILD_BASE: options['build-base'] })
const built = await run(
  builder,
  [
    'build',
    ...reproducible,
    ...(npmrc === undefined ? [] : ['--secret', `id=npmrc,src=${resolve(npmrc)}`]),
    ...bases.flatMap(([name, image]) => (image === undefined ? [] : ['--build-arg', `${name}=${image}`])),
    '--file',
    'deploy/image/Dockerfile',
    '--tag',
    options.tag,
    '.',
  ],
  { env: { ...process.env, SOURCE_DATE_EPOCH: '0' } },
)
if (built.code !== 0) process.exit(built.code)
if (archive === undefined) {
  say(`${options.tag} in ${elapsed(since)}`)
} else {
  // None of the three replaces a file that is there.
  rmSync(archive, { force: true })
  const save =
    builder === 'buildah'
      ? ['push', '--quiet', options.tag, `docker-archive:${archive}:${options.tag}`]
      : ['save', '--output', archive, options.tag]
  const saved = await run(builder, save)
  if (saved.code !== 0) process.exit(saved.code)
  say(`${options.tag} in ${archive}, ${(statSync(archive).size / 1e6).toFixed(0)} MB, in ${elapsed(since)}`)
}
