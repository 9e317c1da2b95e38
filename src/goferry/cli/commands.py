"""The commands in the order of the way, with the line that `goferry --help` shows; modules load when they are used."""

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("init", "Look at a repository, say what was found, write as little as possible."),
    "doctor": ("doctor", "Say what is missing on this machine and what each thing is for."),
    "inspect": ("inspect", "Show what Goferry sees: modules, mains, version, configuration."),
    "setup-go": ("setup_go", "Install the right Go, proven by the checksum database."),
    "test": ("test", "go vet and go test, the gate before every build."),
    "plan": ("plan", "Show the steps that a build would take."),
    "build": ("build", "Cross-compile reproducibly into dist/."),
    "merge": ("merge", "Join the partial dist/ folders of several runners."),
    "image": ("image", "Write an OCI image from the binaries, without Docker."),
    "keygen": ("keygen", "Make throw-away signing keys and their trust file."),
    "sign": ("sign", "Seal dist/: manifest, checksum list, signatures."),
    "verify": ("verify", "Check a sealed release against a trust file."),
    "release": ("release", "Publish a sealed dist/ as a GitHub release."),
    "fetch": ("fetch", "Bring a GitHub release by its reference, byte for byte."),
    "deploy": ("deploy", "Bring a verified release into service, blue-green."),
    "rollback": ("rollback", "Go back to the version before, without an upload."),
    "status": ("status", "Show what is live."),
    "down": ("down", "Stop what was deployed to a local target."),
    "up": ("up", "The whole way: test, build, image, sign, verify, deploy."),
    "schema": ("schema", "Print the JSON Schema of goferry.yml."),
}
