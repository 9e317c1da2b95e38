"""The JSON that GitHub's API description demands (api.github.com.json of @octokit/openapi), no more."""

import time
from urllib.parse import quote

_USER = "followers following{/other_user} gists{/gist_id} starred{/owner}{/repo} subscriptions orgs repos events{/privacy} received_events"
_REPOSITORY = {
    "archive_url": "{archive_format}{/ref}", "assignees_url": "assignees{/user}", "blobs_url": "git/blobs{/sha}",
    "branches_url": "branches{/branch}", "collaborators_url": "collaborators{/collaborator}",
    "comments_url": "comments{/number}", "commits_url": "commits{/sha}", "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}", "contributors_url": "contributors", "deployments_url": "deployments",
    "downloads_url": "downloads", "events_url": "events", "forks_url": "forks", "git_commits_url": "git/commits{/sha}",
    "git_refs_url": "git/refs{/sha}", "git_tags_url": "git/tags{/sha}", "hooks_url": "hooks",
    "issue_comment_url": "issues/comments{/number}", "issue_events_url": "issues/events{/number}",
    "issues_url": "issues{/number}", "keys_url": "keys{/key_id}", "labels_url": "labels{/name}",
    "languages_url": "languages", "merges_url": "merges", "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}", "pulls_url": "pulls{/number}",
    "releases_url": "releases{/id}", "stargazers_url": "stargazers", "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers", "subscription_url": "subscription", "tags_url": "tags", "teams_url": "teams",
    "trees_url": "git/trees{/sha}",
}  # fmt: skip


def moment(seconds):
    return None if seconds is None else time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


class Shapes:
    """Makes answers; `api`, `uploads` and `server` are the addresses that GitHub would name in them."""

    def __init__(self, api, uploads, server):
        self.api, self.uploads, self.server = api, uploads, server

    def user(self, login):
        page = quote(login)
        base = f"{self.api}/users/{page}"
        kinds = {part.partition("{")[0].partition("/")[0]: part for part in _USER.split()}
        urls = {f"{'organizations' if kind == 'orgs' else kind}_url": f"{base}/{part}" for kind, part in kinds.items()}
        return {
            "login": login, "id": 1, "node_id": "U_1", "avatar_url": f"{self.server}/images/{page}", "gravatar_id": "",
            "url": base, "html_url": f"{self.server}/{page}", "type": "User", "site_admin": False, **urls,
        }  # fmt: skip

    def repository(self, repository):
        """Return a minimal-repository."""
        owner, name = repository.name.split("/")
        base = f"{self.api}/repos/{repository.name}"
        return {
            "id": repository.id, "node_id": f"R_{repository.id}", "name": name, "full_name": repository.name,
            "owner": self.user(owner), "private": repository.private, "html_url": f"{self.server}/{repository.name}",
            "description": None, "fork": False, "url": base,
            **{key: f"{base}/{tail}" for key, tail in _REPOSITORY.items()},
        }  # fmt: skip

    def full_repository(self, repository):
        page, host = f"{self.server}/{repository.name}", self.server.partition("://")[2]
        counts = [
            "forks", "forks_count", "network_count", "open_issues", "open_issues_count", "size", "stargazers_count",
            "subscribers_count", "watchers", "watchers_count",
        ]  # fmt: skip
        return {
            **self.repository(repository), **dict.fromkeys(counts, 0), "default_branch": "main",
            **dict.fromkeys(["has_issues", "has_projects", "has_wiki", "has_pages", "has_discussions"], False),
            "archived": False, "disabled": False, "homepage": None, "language": None, "mirror_url": None,
            "license": None, "clone_url": f"{page}.git", "git_url": f"git://{host}/{repository.name}.git",
            "ssh_url": f"git@{host}:{repository.name}.git", "svn_url": page,
            **dict.fromkeys(["pushed_at", "created_at", "updated_at"], moment(0)),
        }  # fmt: skip

    def release(self, repository, release):
        base, page = f"{self.api}/repos/{repository.name}", f"{self.server}/{repository.name}"
        where = f"untagged-{release.id}" if release.draft else release.tag_name
        return {
            "url": f"{base}/releases/{release.id}", "assets_url": f"{base}/releases/{release.id}/assets",
            "upload_url": f"{self.uploads}/repos/{repository.name}/releases/{release.id}/assets{{?name,label}}",
            "html_url": f"{page}/releases/tag/{where}", "id": release.id, "node_id": f"RE_{release.id}",
            "author": self.user("github-actions[bot]"), "tag_name": release.tag_name,
            "target_commitish": release.target_commitish, "name": release.name, "body": release.body,
            "draft": release.draft, "prerelease": release.prerelease, "immutable": release.immutable,
            "created_at": moment(release.created), "updated_at": moment(release.created),
            "published_at": moment(release.published),
            "tarball_url": None if release.draft else f"{base}/tarball/{release.tag_name}",
            "zipball_url": None if release.draft else f"{base}/zipball/{release.tag_name}",
            "assets": [self.asset(repository, release, asset) for asset in release.assets.values()],
        }  # fmt: skip

    def asset(self, repository, release, asset):
        return {
            "url": f"{self.api}/repos/{repository.name}/releases/assets/{asset.id}", "id": asset.id,
            "node_id": f"RA_{asset.id}", "name": asset.name, "label": asset.label,
            "uploader": self.user("github-actions[bot]"), "content_type": asset.content_type, "state": asset.state,
            "size": len(asset.data), "digest": asset.digest, "download_count": asset.downloads,
            "created_at": moment(asset.created), "updated_at": moment(asset.created),
            "browser_download_url":
                f"{self.server}/{repository.name}/releases/download/{release.tag_name}/{asset.name}",
        }  # fmt: skip

    def ref(self, repository, ref, kind, sha):
        base = f"{self.api}/repos/{repository.name}/git"
        kinds = "tags" if kind == "tag" else "commits"
        return {
            "ref": f"refs/{ref}", "node_id": "REF_1", "url": f"{base}/refs/{ref}",
            "object": {"type": kind, "sha": sha, "url": f"{base}/{kinds}/{sha}"},
        }  # fmt: skip

    def tag(self, repository, sha, name, commit):
        base = f"{self.api}/repos/{repository.name}/git"
        return {
            "node_id": "TA_1", "tag": name, "sha": sha, "url": f"{base}/tags/{sha}", "message": name,
            "tagger": {"name": "A", "email": "a@example.com", "date": moment(0)},
            "object": {"type": "commit", "sha": commit, "url": f"{base}/commits/{commit}"},
        }  # fmt: skip

    def commit(self, repository, sha):
        base = f"{self.api}/repos/{repository.name}"
        person = {"name": "A", "email": "a@example.com", "date": moment(0)}
        verification = {
            "verified": False,
            "reason": "unsigned",
            "payload": None,
            "signature": None,
            "verified_at": None,
        }
        return {
            "url": f"{base}/commits/{sha}", "sha": sha, "node_id": "C_1",
            "html_url": f"{self.server}/{repository.name}/commit/{sha}", "comments_url": f"{base}/commits/{sha}/comments",
            "commit": {
                "url": f"{base}/git/commits/{sha}", "author": person, "committer": person, "message": "A commit",
                "comment_count": 0, "tree": {"sha": sha, "url": f"{base}/git/trees/{sha}"},
                "verification": verification,
            },
            "author": self.user("octocat"), "committer": self.user("octocat"), "parents": [],
        }  # fmt: skip

    def run(self, repository, run):
        base = f"{self.api}/repos/{repository.name}/actions/runs/{run.id}"
        person = {"name": "A", "email": "a@example.com"}
        return {
            "id": run.id, "node_id": f"WFR_{run.id}", "name": run.workflow, "head_branch": run.branch,
            "head_sha": run.sha, "path": run.workflow, "run_number": run.number, "run_attempt": run.attempt,
            "event": run.event, "display_title": "A commit", "status": run.status, "conclusion": run.conclusion,
            "workflow_id": 1, "check_suite_id": 1, "check_suite_node_id": "CS_1", "url": base,
            "html_url": f"{self.server}/{repository.name}/actions/runs/{run.id}", "pull_requests": [],
            "created_at": moment(run.created), "updated_at": moment(run.created),
            "run_started_at": moment(run.created), "jobs_url": f"{base}/jobs", "logs_url": f"{base}/logs",
            "check_suite_url": f"{self.api}/repos/{repository.name}/check-suites/1",
            "artifacts_url": f"{base}/artifacts", "cancel_url": f"{base}/cancel", "rerun_url": f"{base}/rerun",
            "workflow_url": f"{self.api}/repos/{repository.name}/actions/workflows/1",
            "head_commit": {
                "id": run.sha, "tree_id": run.sha, "message": "A commit", "timestamp": moment(run.created),
                "author": person, "committer": person,
            },
            "repository": self.repository(repository), "head_repository": self.repository(repository),
        }  # fmt: skip

    def job(self, repository, run, number, name, conclusion):
        base = f"{self.api}/repos/{repository.name}"
        return {
            "id": run.id * 100 + number, "run_id": run.id, "run_url": f"{base}/actions/runs/{run.id}",
            "node_id": f"CR_{run.id}_{number}", "head_sha": run.sha, "url": f"{base}/actions/jobs/{number}",
            "html_url": f"{self.server}/{repository.name}/actions/runs/{run.id}/job/{number}", "status": "completed",
            "conclusion": conclusion, "created_at": moment(run.created), "started_at": moment(run.created),
            "completed_at": moment(run.created), "name": name, "steps": [], "labels": ["ubuntu-latest"],
            "check_run_url": f"{base}/check-runs/{number}", "runner_id": 1, "runner_name": "A runner",
            "runner_group_id": 1, "runner_group_name": "A group", "workflow_name": run.workflow,
            "head_branch": run.branch, "run_attempt": run.attempt,
        }  # fmt: skip
