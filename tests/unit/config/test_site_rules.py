"""The keys by which a service is served: what is taken, and that everything else is refused with its reason."""

import string

import pytest
from hypothesis import given, settings, strategies as st
from sampling import examples

from goferry.config import site_rules
from goferry.config.errors import ConfigInvalid
from goferry.config.load import load
from goferry.kernel import sites
from goferry.kernel.sites import CertificateFiles, Site

TLS = "tls: {certificate: /etc/ssl/a.pem, key: /etc/ssl/a.key}"
PLAIN = frozenset(string.ascii_letters + string.digits + "._~@+-/*")
"""Letters of which none ends a word or a directive of nginx's, or begins a variable, a quotation or a comment."""


def read(folder, **services):
    lines = [f"  {name}: {{main: ., listen: {{env: ADDR}}, {keys}}}" for name, keys in services.items()]
    (folder / "goferry.yml").write_text("\n".join(["services:", *lines, ""]))
    return load(folder).project.services


def test_a_service_has_the_names_that_it_says(tmp_path):
    found = read(
        tmp_path,
        api=f"domain: shop.example, path: /api/, {TLS}",
        web="domains: [shop.example, '*.shop.example'], proxy: {body-size: 100MB, timeout: 300}",
        bare="port: 8080",
    )
    files = CertificateFiles("/etc/ssl/a.pem", "/etc/ssl/a.key")
    assert site_rules.site(found["api"]) == Site(("shop.example",), "/api/", files)
    assert site_rules.site(found["web"]) == Site(("shop.example", "*.shop.example"))
    assert site_rules.site(found["bare"]) == Site()
    assert site_rules.size(found["web"].proxy.body_size) == 100 << 20


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ("domain: https://shop.example", "without a scheme"),
        ("domain: Shop.example", "small letters"),
        ("domain: 192.0.2.1", "is not a domain"),
        ("domain: 'shop.example; include /etc/passwd'", "is not a domain"),
        ("domain: -a.example", "is not a domain"),
        ("domain: 'a.*.example'", "is not a domain"),
        ("domains: [a.example, a.example]", "names one twice"),
        ("domain: a.example, domains: [b.example]", "all names in domains"),
        ("path: /api/", "path needs a domain"),
        ("domain: a.example, path: api", "is not a path"),
        ("domain: a.example, path: /a/../b", "is not a path"),
        ("domain: a.example, path: '/a{b}'", "is not a path"),
        (TLS, "tls needs a domain"),
        ("domain: a.example, tls: {certificate: /a.pem}", "both certificate and key"),
        ("domain: a.example, tls: {certificate: a.pem, key: /a.key}", "not an absolute path"),
        ("domain: a.example, tls: {certificate: /a.pem, key: '/a.key; x'}", "not an absolute path"),
        ("domain: a.example, port: 443", "leave out port"),
        ("domain: a.example, proxy: {grpc: true}", "grpc needs domain and tls"),
        ("domain: a.example, path: /.well-known/acme-challenge", "path can't be /.well-known/acme-challenge/"),
        ("domain: a.example, path: /.well-known/acme-challenge/", "path can't be /.well-known/acme-challenge/"),
        ("domain: a.example, path: /.well-known/acme-challenge/own", "path can't be /.well-known/acme-challenge/"),
        ("proxy: {timeout: 0}", "is not from 1 to 86400 seconds"),
        ("proxy: {body-size: lots}", "is not a size such as 100MB"),
        ("proxy: {body-size: 999999999GB}", "is not a size such as 100MB"),
        ("proxy: {buffer: true}", "did you mean buffering?"),
    ],
)
def test_anything_else_is_refused_by_name(tmp_path, keys, why):
    with pytest.raises(ConfigInvalid) as told:
        read(tmp_path, api=keys)
    assert why in told.value.what
    assert told.value.what.startswith("goferry.yml:2:")


@pytest.mark.parametrize(
    ("one", "other", "why"),
    [
        ("domain: a.example", "domains: [b.example, a.example]", "api and web both want a.example/"),
        ("domain: a.example, path: /x", "domain: a.example, path: /x/", "api and web both want a.example/x"),
        (f"domain: a.example, {TLS}", f"domain: a.example, path: /x, {TLS.replace('a.pem', 'b.pem')}", "certificates"),
    ],
)
def test_two_services_share_no_path_and_one_certificate(tmp_path, one, other, why):
    with pytest.raises(ConfigInvalid) as told:
        read(tmp_path, api=one, web=other)
    assert why in told.value.what
    assert len(read(tmp_path, api=f"domain: a.example, {TLS}", web="domain: a.example, path: /x")) == 2


def test_paths_beside_those_of_certificates_are_taken(tmp_path):
    for path in ("/.well-known/", "/.well-known/acme-challenges/", "/own/.well-known/acme-challenge/"):
        assert read(tmp_path, api=f"domain: a.example, path: {path}")["api"].path == path


def test_a_host_that_was_provisioned_with_such_a_path_is_read():
    record = {"domains": ["a.example"], "path": sites.CHALLENGES}
    assert sites.read(record, "a host file").path == sites.CHALLENGES


@settings(max_examples=examples(300))
@given(st.one_of(st.text(), st.text(PLAIN), st.from_regex(r"/?[a-z.*]+[;{}'\"$#\\\s]?[a-z/]*")))
def test_no_word_that_is_taken_can_end_a_directive(word):
    for wrong in (sites.domain_wrong, sites.path_wrong, sites.file_wrong):
        assert wrong(word) or set(word) <= PLAIN
    assert site_rules.size_wrong(word) or site_rules.size(word) > 0
