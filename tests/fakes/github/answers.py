"""What each operation answers: (status, headers, JSON or bytes)."""

from fakes.github.state import Refusal, Run


def _number(text, default, most):
    return min(int(text), most) if text and text.isdigit() and int(text) > 0 else default


class Answers:
    """One method an operation, named after it."""

    def __init__(self, fake):
        self.fake, self.state, self.shapes = fake, fake.state, fake.shapes

    def take(self, request, repository, found):
        method = getattr(self, "_" + request.operation.replace("-", "_"))
        status, headers, body = method(request, repository, **found)
        if isinstance(body, (dict, list)):
            self._digests(body)
        return status, headers, body

    def _digests(self, body):
        """Make digests null or absent in every asset, as `fake.digests` asks."""
        if isinstance(body, dict):
            if "browser_download_url" in body and self.fake.digests != "given":
                body["digest"] = None
                if self.fake.digests == "missing":
                    del body["digest"]
            body = list(body.values())
        for each in body if isinstance(body, list) else ():
            if isinstance(each, (dict, list)):
                self._digests(each)

    def _page(self, request, items):
        """Return a page and the Link header to the next."""
        size, page = _number(request.query.get("per_page"), 30, 100), _number(request.query.get("page"), 1, 10_000)
        part = items[(page - 1) * size : page * size]
        if page * size >= len(items):
            return part, {}
        return part, {"Link": f'<{self.shapes.api}{request.path}?per_page={size}&page={page + 1}>; rel="next"'}

    def _sees_drafts(self, request):
        return self.fake.level(request.token, "contents") == "write"

    def _find(self, request, repository, release_id):
        release = repository.releases.get(int(release_id))
        if not release or (release.draft and not self._sees_drafts(request)):
            raise Refusal(404, "Not Found")
        return release

    def _get_repository(self, request, repository):
        return 200, {}, self.shapes.full_repository(repository)

    def _list_releases(self, request, repository):
        newest = sorted(repository.releases.values(), key=lambda release: -release.id)
        seen = [release for release in newest if not release.draft or self._sees_drafts(request)]
        part, headers = self._page(request, seen)
        return 200, headers, [self.shapes.release(repository, release) for release in part]

    def _create_release(self, request, repository):
        release = self.state.create_release(repository, request.json)
        return 201, {}, self.shapes.release(repository, release)

    def _latest_release(self, request, repository):
        return 200, {}, self.shapes.release(repository, self._find(request, repository, repository.latest))

    def _get_release_by_tag(self, request, repository, tag):
        for release in repository.releases.values():
            if release.tag_name == tag and not release.draft:
                return 200, {}, self.shapes.release(repository, release)
        raise Refusal(404, "Not Found")

    def _get_release(self, request, repository, key):
        return 200, {}, self.shapes.release(repository, self._find(request, repository, key))

    def _update_release(self, request, repository, key):
        release = self.state.update_release(repository, self._find(request, repository, key), request.json)
        return 200, {}, self.shapes.release(repository, release)

    def _delete_release(self, request, repository, key):
        del repository.releases[self._find(request, repository, key).id]
        return 204, {}, None

    def _list_assets(self, request, repository, key):
        release = self._find(request, repository, key)
        part, headers = self._page(request, list(release.assets.values()))
        return 200, headers, [self.shapes.asset(repository, release, asset) for asset in part]

    def _upload(self, request, repository, key):
        release = self._find(request, repository, key)
        name, data, kind = request.query.get("name", ""), request.body, request.headers.get("content-type", "")
        fault = self.fake.faults.take("upload", "starter", "race", "corrupt")
        if fault and fault.kind == "starter":
            half = data[: len(data) // 2]
            self.state.upload(repository, release, name, half, content_type=kind, state="starter")
            return 502, {}, {"message": "Server Error"}
        if fault and fault.kind == "race":
            self.state.upload(repository, release, name, data, content_type=kind)
        if fault and fault.kind == "corrupt":
            data = bytes([data[0] ^ 1]) + data[1:] if data else b"x"
        asset = self.state.upload(repository, release, name, data, content_type=kind)
        return 201, {}, self.shapes.asset(repository, release, asset)

    def _asset(self, request, repository, key):
        release, asset = self.state.asset(repository, int(key))
        if not asset or (release.draft and not self._sees_drafts(request)):
            raise Refusal(404, "Not Found")
        return release, asset

    def _download(self, request, repository, key):
        release, asset = self._asset(request, repository, key)
        if "application/octet-stream" not in request.headers.get("accept", ""):
            return 200, {}, self.shapes.asset(repository, release, asset)
        return 302, {"Location": f"{self.fake.storage}/{repository.name}/{asset.id}?signature=secret"}, None

    def _delete_asset(self, request, repository, key):
        release, asset = self._asset(request, repository, key)
        self.state.delete_asset(release, asset)
        return 204, {}, None

    def stored(self, request):
        """Answer for the storage, which takes one way of proof alone: its own signature in the address."""
        request.operation = "storage"
        fault = self.fake.faults.take("storage")
        if fault and fault.kind == "cut":
            return None
        if fault and fault.kind == "status":
            return fault.status, fault.headers, fault.message.encode()
        if "authorization" in request.headers:
            raise Refusal(400, "Only one authorization mechanism is allowed")
        owner, name, number = request.path.strip("/").split("/")
        repository = self.state.repositories.get(f"{owner}/{name}")
        _, asset = self.state.asset(repository, int(number)) if repository else (None, None)
        if not asset or request.query.get("signature") != "secret":
            raise Refusal(403, "AccessDenied")
        asset.downloads += 1
        data = asset.data
        if fault and fault.kind == "corrupt":
            data = bytes([data[0] ^ 1]) + data[1:]
        return 200, {"Content-Type": asset.content_type}, data

    def _get_ref(self, request, repository, ref):
        found = repository.ref(ref)
        if not found:
            raise Refusal(404, "Not Found")
        return 200, {}, self.shapes.ref(repository, ref, *found)

    def _create_ref(self, request, repository):
        ref, sha = str(request.json.get("ref", "")), str(request.json.get("sha", ""))
        kind, _, name = ref.removeprefix("refs/").partition("/")
        if not ref.startswith("refs/") or kind not in ("tags", "heads") or not name:
            raise Refusal(422, "Reference name must start with refs/heads/ or refs/tags/")
        if repository.ref(f"{kind}/{name}"):
            raise Refusal(422, "Reference already exists")
        (repository.tags if kind == "tags" else repository.branches)[name] = sha
        return 201, {}, self.shapes.ref(repository, f"{kind}/{name}", "commit", sha)

    def _get_tag(self, request, repository, sha):
        found = repository.tag_object(sha)
        if not found:
            raise Refusal(404, "Not Found")
        return 200, {}, self.shapes.tag(repository, sha, *found)

    def _get_commit(self, request, repository, ref):
        sha = repository.commit(ref)
        if not sha:
            raise Refusal(422, f"No commit found for SHA: {ref}")
        return 200, {}, self.shapes.commit(repository, sha)

    def _list_runs(self, request, repository, workflow=""):
        wanted = {key: request.query[key] for key in ("branch", "event", "head_sha", "status") if key in request.query}

        def fits(run: Run):
            has = {"branch": run.branch, "event": run.event, "head_sha": run.sha}
            state = wanted.get("status") in (None, run.status, run.conclusion)
            path = not workflow or workflow == "1" or run.workflow.endswith("/" + workflow)
            return state and path and all(has[key] == value for key, value in wanted.items() if key in has)

        found = sorted(filter(fits, repository.runs), key=lambda run: -run.id)
        part, headers = self._page(request, found)
        runs = [self.shapes.run(repository, run) for run in part]
        return 200, headers, {"total_count": len(found), "workflow_runs": runs}

    def _run(self, repository, number):
        for run in repository.runs:
            if run.id == int(number):
                return run
        raise Refusal(404, "Not Found")

    def _get_run(self, request, repository, key):
        return 200, {}, self.shapes.run(repository, self._run(repository, key))

    def _list_jobs(self, request, repository, key):
        run = self._run(repository, key)
        jobs = [
            self.shapes.job(repository, run, number, name, conclusion)
            for number, (name, conclusion) in enumerate(run.jobs.items(), 1)
        ]
        part, headers = self._page(request, jobs)
        return 200, headers, {"total_count": len(jobs), "jobs": part}

    def other(self, request):
        """Answer for the issuer's pages and for the fake's own, which only tests use."""
        issuer = self.shapes.api
        if request.method == "GET" and request.path == "/.well-known/openid-configuration":
            return 200, {}, self.fake.issuer.configuration(issuer)
        if request.method == "GET" and request.path == "/.well-known/jwks":
            return 200, {}, self.fake.issuer.jwks()
        if request.method == "GET" and request.path == "/_oidc/token":
            return self._token(request, issuer)
        if request.path.startswith("/_fake/"):
            return self._control(request)
        raise Refusal(404, "Not Found")

    def _token(self, request, issuer):
        """Answer as the runner's token service at ACTIONS_ID_TOKEN_REQUEST_URL does."""
        if self.fake.level(request.token, "id-token") != "write":
            raise Refusal(401, "the job's token may not have an id-token")
        repository = request.query.get("repository") or next(iter(self.state.repositories), "acme/shop")
        audience = request.query.get("audience") or f"https://github.com/{repository.partition('/')[0]}"
        return 200, {}, {"count": 1, "value": self.fake.issuer.token(issuer, repository, audience)}

    def _control(self, request):
        what, record = request.path.removeprefix("/_fake/"), request.json
        if what == "requests":
            seen = [
                {"operation": each.operation, "method": each.method, "path": each.path} for each in self.fake.requests
            ]
            return 200, {}, seen
        if what == "fault":
            self.fake.fail(record.pop("operation"), record.pop("kind"), **record)
        elif what == "tag":
            self.fake.repository(record["repository"]).tags[record["tag"]] = record["sha"]
        elif what == "run":
            self.fake.repository(record.pop("repository")).runs.append(Run(**record))
        else:
            raise Refusal(404, "Not Found")
        return 200, {}, {}
