from __future__ import annotations

from invdesign.serve.access import Access, is_loopback_host, is_same_origin


def test_two_services_share_no_token_and_no_cookie() -> None:
    first, second = Access(), Access()
    assert len(first.token) >= 32
    assert first.is_token(first.token) and not first.is_token(second.token) and not first.is_token("")
    assert first.cookie_name != second.cookie_name
    assert first.is_signed_in({first.cookie_name: first.cookie}) and not first.is_signed_in({})
    assert not first.is_signed_in({first.cookie_name: second.cookie})
    assert first.is_own_form(first.form_token) and not first.is_own_form(first.cookie)


def test_only_names_of_the_loopback_address_are_hosts() -> None:
    assert all(map(is_loopback_host, ("127.0.0.1:8765", "localhost", "LOCALHOST:1", "[::1]:8765")))
    assert not any(map(is_loopback_host, ("", "evil.example", "127.0.0.1.evil.example", "[::1", "10.0.0.1:8765")))


def test_an_absent_or_other_origin_is_refused() -> None:
    host = {"host": "127.0.0.1:8765"}
    assert is_same_origin({**host, "origin": "http://127.0.0.1:8765"})
    for origin in ("", "null", "http://127.0.0.1:9999", "http://evil.example"):
        assert not is_same_origin({**host, "origin": origin})
    assert not is_same_origin(host)
