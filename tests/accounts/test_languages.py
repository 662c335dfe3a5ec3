"""The language of pages and API errors: the cookie, then the browser's preference.

Sockets always speak English.
"""

import re

import httpx
import pytest

from tests.conftest import Connect
from tests.support.api import anonymous, signed_in
from tests.support.chat_client import Refused, sign_up
from tests.support.server import Server

CHINESE = {"Accept-Language": "zh-CN,zh;q=0.9,en;q=0.8"}


async def test_page_follows_the_browser(server: Server) -> None:
    async with anonymous(server.base_url) as http:
        answer = await http.get("/", headers=CHINESE)
        assert '<html lang="zh-hans">' in answer.text
        assert "欢迎回来" in answer.text
        assert "Accept-Language" in answer.headers["Vary"]
        english = await http.get("/", headers={"Accept-Language": "fr"})
        assert '<html lang="en">' in english.text
        assert "Welcome back" in english.text


async def test_choice_of_a_person_outlasts_the_browser(server: Server) -> None:
    async with anonymous(server.base_url) as http:
        page = (await http.get("/")).text
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page)
        assert token
        body = {"csrfmiddlewaretoken": token[1], "language": "zh-hans", "next": "/accounts/sign-up/"}
        answer = await http.post("/accounts/language/", data=body, headers={"Origin": server.base_url})
        assert (answer.status_code, answer.headers["Location"]) == (302, "/accounts/sign-up/")
        assert '<html lang="zh-hans">' in (await http.get("/accounts/sign-up/", headers={"Accept-Language": "en"})).text
        away = body | {"next": "https://elsewhere.example/"}
        answer = await http.post("/accounts/language/", data=away, headers={"Origin": server.base_url})
        assert answer.headers["Location"] == "/"


async def test_page_asks_for_the_words_of_its_language(server: Server) -> None:
    async with anonymous(server.base_url) as http:
        await signed_in(http, await sign_up(server.base_url))
        page = (await http.get("/", headers=CHINESE)).text
        found = re.search(r'rel="modulepreload" href="(/static/assets/zh-[^"]+\.js)"', page)
        assert found, page
        assert "房间" in (await http.get(found[1])).text


async def test_errors_of_the_api_are_translated_and_codes_are_not(server: Server) -> None:
    ada = await sign_up(server.base_url)
    async with httpx.AsyncClient(base_url=server.base_url, headers={"Authorization": f"Token {ada.token}"}) as http:
        problem = (await http.get("/api/rooms/nowhere/members", headers=CHINESE)).json()
        assert (problem["code"], problem["detail"]) == ("no_such_room", "房间 'nowhere' 不存在")
        assert (await http.get("/api/rooms/nowhere/members")).json()["detail"] == "there is no room 'nowhere'"
        bad = (await http.post("/api/rooms", json={"slug": "a b", "title": "", "private": False}, headers=CHINESE)).json()
        assert "1 到 64 个文字" in bad["detail"]


async def test_form_errors_are_translated(server: Server) -> None:
    async with httpx.AsyncClient(base_url=server.base_url, headers=CHINESE) as http:
        problem = (await http.post("/api/signup", json={"username": "a b", "password": "short"})).json()
        assert "不能使用空格" in problem["errors"]["username"][0]
        assert "密码" in problem["errors"]["password"][0]


async def test_socket_speaks_english(connect: Connect) -> None:
    chat = await connect(headers=CHINESE | {"Cookie": "django_language=zh-hans"})
    with pytest.raises(Refused, match="there is no room 'nowhere'"):
        await chat.join("nowhere")
