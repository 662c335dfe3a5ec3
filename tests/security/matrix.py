"""The attack matrix: for each attack and each way in, the tests that hold it.

`docs/attack-matrix.md` shows it.

Write that page anew: `python -m tests.security.matrix > docs/attack-matrix.md`.
"""

import sys

# Way in → its description.
WAYS = {
    "cookie": "a socket with the session cookie of a page",
    "token": "a socket with the token of a program",
    "ticket": "a socket with a ticket for one handshake",
    "simple": "the sockets of simpler dialects: `/ws/chat/…`, `/ws/infra/…`, `/ws/sensor_data/`",
    "consumer": "a mounted consumer of Channels",
    "api": "the HTTP API",
    "stream": "`/api/stream` and `/api/frames`",
    "upload": "files, up and down",
    "page": "pages and their forms",
    "admin": "`/admin/`",
    "webhook": "the address of a room's webhook",
    "device": "the token of a sensor's device",
}

Cells = dict[str, tuple[str, ...]]

_CREDENTIALS = "tests/accounts/test_socket_credentials.py::"
_ENDED = "tests/accounts/test_ended_credentials.py::test_ended_credential_closes_its_sockets"
_API = "tests/accounts/test_api.py::"
_PAGES = "tests/accounts/test_pages.py::"
_BYTES = "tests/realtime/test_bad_bytes.py::"
_FRAMES = "tests/realtime/test_bad_frames.py::"
_FLOODS = "tests/realtime/test_floods.py::"
_CONSUMER = "tests/realtime/test_channels_consumers.py::"
_REQUESTS = "tests/server/test_request_limits.py::"
_STREAM = "tests/features/stream/test_stream.py::"
_FILES = "tests/features/files/test_files.py::"
_HOOKS = "tests/features/webhooks/test_webhooks.py::"
_DEVICES = "tests/features/sensors/test_devices.py::"
_OURS = "tests/security/test_ways_in.py::"
_LOGS = "tests/server/test_logs.py::"
_SOCKET_BYTES = (
    f"{_BYTES}test_a_broken_frame_ends_its_own_socket",
    f"{_BYTES}test_invalid_utf8_closes_with_1007",
    "tests/realtime/test_wire_fuzz.py::test_random_bytes_raise_no_error_in_the_server",
)
_SOCKET_SIZES = (f"{_BYTES}test_frame_one_byte_too_large_is_closed", f"{_BYTES}test_too_large_sum_of_fragments_is_closed")
_SOCKET_FLOODS = (
    f"{_FLOODS}test_endless_frames_close_with_4009",
    "tests/realtime/test_control_floods.py::test_a_flood_closes_with_4009",
)
_SLOW_SOCKET = (
    "tests/realtime/test_stalled_reader.py::test_only_a_stalled_reader_is_closed",
    f"{_BYTES}test_connection_may_end_within_the_handshake",
)
_SLOW_REQUEST = (f"{_REQUESTS}test_half_sent_head_is_answered_in_time", f"{_REQUESTS}test_half_sent_body_is_answered_in_time")
_SLOW_FORM = (f"{_REQUESTS}test_trickling_head_is_answered_in_time", f"{_REQUESTS}test_half_sent_body_is_answered_in_time")

# Attack → way in → tests. Each attack has a cell for each way.
MATRIX: dict[str, Cells] = {
    "no credential, or a wrong one": {
        "cookie": (
            f"{_CREDENTIALS}test_handshake_without_credentials_is_refused",
            f"{_CREDENTIALS}test_bad_credentials_are_refused",
        ),
        "token": (
            f"{_CREDENTIALS}test_bad_credentials_are_refused",
            f"{_CREDENTIALS}test_bad_token_is_refused_despite_a_good_cookie",
        ),
        "ticket": (f"{_CREDENTIALS}test_a_ticket_works_once", f"{_CREDENTIALS}test_one_ticket_opens_one_of_many_handshakes"),
        "simple": (f"{_BYTES}test_every_path_refuses_missing_credentials",),
        "consumer": (f"{_CONSUMER}test_bad_credentials_and_foreign_origins_are_refused",),
        "api": (f"{_API}test_other_calls_need_credentials", f"{_API}test_a_bad_token_is_401_even_with_a_good_cookie"),
        "stream": (f"{_STREAM}test_credentials_are_needed",),
        "upload": (f"{_FILES}test_who_may_upload_and_read",),
        "page": (f"{_PAGES}test_signed_out_room_redirects_to_sign_in_and_back", f"{_PAGES}test_password_page_needs_a_session"),
        "admin": (
            "tests/config/test_admin_addresses.py::test_closed_admin_answers_404_and_names_the_setting",
            "tests/security/test_ways_in.py::test_admin_pages_are_for_staff_only",
        ),
        "webhook": (f"{_HOOKS}test_program_posts_into_a_room_until_it_is_revoked",),
        "device": (f"{_DEVICES}test_revoked_device_is_shut_out",),
    },
    "a page of another site": {
        "cookie": (f"{_CREDENTIALS}test_foreign_origin_with_the_cookie_is_refused",),
        "token": (f"{_CREDENTIALS}test_origin_is_checked_for_the_cookie_only",),
        "ticket": (f"{_API}test_cookie_without_csrf_token_changes_nothing",),
        "simple": ("tests/security/test_ways_in.py::test_foreign_page_opens_no_simple_socket",),
        "consumer": (f"{_CONSUMER}test_bad_credentials_and_foreign_origins_are_refused",),
        "api": (f"{_API}test_cookie_without_csrf_token_changes_nothing", f"{_API}test_foreign_page_cannot_sign_a_user_in"),
        "stream": (f"{_OURS}test_foreign_page_sends_no_frames",),
        "upload": (f"{_FILES}test_who_may_upload_and_read",),
        "page": (f"{_PAGES}test_forms_without_csrf_token_are_refused", f"{_PAGES}test_pages_forbid_foreign_code_and_frames"),
        "admin": ("tests/security/test_ways_in.py::test_admin_forms_without_csrf_token_change_nothing",),
        "webhook": ("tests/security/test_ways_in.py::test_webhook_takes_no_cookie_for_its_token",),
        "device": (f"{_DEVICES}test_token_is_shown_once_and_kept_hashed",),
    },
    "a credential that has ended": {
        "cookie": (_ENDED, f"{_CREDENTIALS}test_sign_out_closes_only_sockets_of_that_session"),
        "token": (_ENDED,),
        "ticket": (f"{_CREDENTIALS}test_a_new_password_ends_every_session", f"{_CREDENTIALS}test_a_ticket_lasts_30_seconds"),
        "simple": ("tests/security/test_ways_in.py::test_sign_out_closes_a_simple_socket",),
        "consumer": (f"{_CONSUMER}test_sign_out_closes_a_consumers_socket",),
        "api": (
            f"{_API}test_sign_out_ends_the_session_on_the_server_too",
            f"{_API}test_sign_out_with_a_token_ends_that_token_alone",
        ),
        "stream": (f"{_OURS}test_stream_ends_with_its_credential",),
        "upload": ("tests/security/test_ways_in.py::test_ended_token_reads_no_file",),
        "page": (f"{_CREDENTIALS}test_sign_out_on_the_page_closes_sockets", f"{_PAGES}test_sign_out_by_get_is_refused"),
        "admin": ("tests/accounts/test_admin.py::test_password_set_by_an_admin_ends_old_sessions",),
        "webhook": (f"{_HOOKS}test_program_posts_into_a_room_until_it_is_revoked",),
        "device": (
            f"{_DEVICES}test_device_ends_with_its_makers_membership_and_its_room",
            f"{_DEVICES}test_revoked_device_is_shut_out",
        ),
    },
    "data of another person": {
        "cookie": (f"{_FRAMES}test_private_room_is_refused_to_non_members", f"{_FRAMES}test_direct_room_is_refused_to_others"),
        "token": (f"{_FRAMES}test_private_room_is_refused_to_non_members", f"{_FRAMES}test_direct_room_is_refused_to_others"),
        "ticket": (f"{_FRAMES}test_private_room_is_refused_to_non_members", f"{_FRAMES}test_direct_room_is_refused_to_others"),
        "simple": (
            "tests/realtime/test_room_dialect.py::test_private_and_direct_rooms_are_refused_to_strangers",
            "tests/realtime/test_room_dialect.py::test_removed_member_is_closed_and_refused",
            "tests/realtime/test_room_dialect.py::test_alias_equal_to_another_name_is_refused",
        ),
        "consumer": (f"{_CONSUMER}test_json_consumer_knows_its_user",),
        "api": (
            "tests/features/test_strangers.py::test_no_call_answers_a_stranger",
            "tests/rooms/test_api.py::test_private_rooms_are_visible_to_members_only",
            "tests/rooms/test_api.py::test_non_members_cannot_invite",
            "tests/rooms/test_api.py::test_only_owners_and_oneself_may_remove_a_member",
        ),
        "stream": (
            f"{_STREAM}test_stream_of_another_person_takes_no_frames",
            f"{_OURS}test_private_room_is_refused_to_a_stranger",
        ),
        "upload": (f"{_FILES}test_who_may_upload_and_read", f"{_FILES}test_message_takes_only_ones_own_files_of_the_room"),
        "page": (f"{_PAGES}test_sign_in_does_not_redirect_to_other_hosts",),
        "admin": ("tests/security/test_ways_in.py::test_admin_pages_are_for_staff_only",),
        "webhook": (f"{_HOOKS}test_refusals",),
        "device": (f"{_DEVICES}test_device_may_do_nothing_else",),
    },
    "broken input": {
        "cookie": _SOCKET_BYTES,
        "token": _SOCKET_BYTES,
        "ticket": (f"{_CREDENTIALS}test_bad_query_strings_are_refused",),
        "simple": (
            f"{_BYTES}test_invalid_utf8_closes_at_every_path",
            "tests/realtime/test_fuzz.py::test_line_dialect_answers_any_text",
            "tests/realtime/test_fuzz.py::test_infra_dialect_answers_any_text",
        ),
        "consumer": (f"{_CONSUMER}test_failure_of_a_consumer_closes_only_its_socket",),
        "api": (
            "tests/config/test_openapi.py::test_every_answer_matches_the_openapi_document",
            "tests/config/test_api_bodies.py::test_no_body_takes_a_value_that_its_schema_refuses",
        ),
        "stream": (f"{_STREAM}test_wrong_requests_are_named",),
        "upload": (
            f"{_FILES}test_forms_that_are_wrong_are_refused",
            "tests/features/files/test_content.py::test_bomb_is_measured_and_never_decoded",
            "tests/features/files/test_names.py::test_any_name_is_harmless",
        ),
        "page": (f"{_PAGES}test_form_names_wrong_entries", f"{_PAGES}test_an_unknown_host_is_refused"),
        "admin": ("tests/security/test_ways_in.py::test_admin_answers_broken_addresses",),
        "webhook": ("tests/features/webhooks/test_slack.py::test_any_attachment_is_taken", f"{_HOOKS}test_refusals"),
        "device": ("tests/features/sensors/test_rules.py::test_reading_without_a_name_or_zone_is_refused",),
    },
    "too large input": {
        "cookie": _SOCKET_SIZES,
        "token": _SOCKET_SIZES,
        "ticket": (f"{_REQUESTS}test_oversize_handshake_is_refused",),
        "simple": (
            f"{_BYTES}test_frame_one_byte_too_large_is_closed",
            "tests/realtime/test_room_dialect.py::test_text_is_limited_exactly",
        ),
        "consumer": (f"{_CONSUMER}test_too_large_frame_closes_its_own_socket",),
        "api": (f"{_REQUESTS}test_oversize_request_is_refused_by_name", f"{_API}test_endless_body_is_cut_off"),
        "stream": (f"{_OURS}test_too_large_frame_is_refused",),
        "upload": (f"{_FILES}test_limits", "tests/nginx/test_uploads.py::test_upload_above_the_limit_is_a_problem_that_names_it"),
        "page": (f"{_REQUESTS}test_chunked_body_is_refused_before_its_end",),
        "admin": (f"{_REQUESTS}test_chunked_body_is_refused_before_its_end",),
        "webhook": (f"{_HOOKS}test_refusals", f"{_REQUESTS}test_chunked_body_is_refused_before_its_end"),
        "device": (f"{_DEVICES}test_devices_and_their_readings_are_limited", f"{_BYTES}test_frame_one_byte_too_large_is_closed"),
    },
    "slow or unfinished input, or no reading": {
        "cookie": _SLOW_SOCKET,
        "token": _SLOW_SOCKET,
        "ticket": _SLOW_SOCKET,
        "simple": _SLOW_SOCKET,
        "consumer": ("tests/server/test_unanswered_ping.py::test_peer_without_reads_and_pongs_is_dropped",),
        "api": _SLOW_REQUEST,
        "stream": (
            "tests/realtime/test_streams.py::test_stalled_stream_is_full_and_overdue",
            f"{_STREAM}test_client_that_goes_away_is_noticed",
        ),
        "upload": (f"{_FILES}test_upload_that_is_cut_leaves_nothing", *_SLOW_REQUEST),
        "page": _SLOW_FORM,
        "admin": _SLOW_FORM,
        "webhook": _SLOW_FORM,
        "device": _SLOW_SOCKET,
    },
    "a flood": {
        "cookie": (*_SOCKET_FLOODS, f"{_FLOODS}test_too_many_sockets_of_one_user_are_refused"),
        "token": (*_SOCKET_FLOODS, f"{_FLOODS}test_a_second_socket_brings_no_second_allowance"),
        "ticket": (f"{_FLOODS}test_too_many_handshakes_of_one_address_are_refused",),
        "simple": (
            f"{_FLOODS}test_endless_frames_close_with_4009",
            f"{_FLOODS}test_too_many_lines_are_refused_in_the_simpler_dialects",
        ),
        "consumer": (
            f"{_CONSUMER}test_flood_of_frames_closes_its_own_socket",
            f"{_CONSUMER}test_limits_metrics_and_drain_hold_for_consumers",
        ),
        "api": (
            "tests/rooms/test_fairness.py::test_calls_above_the_rate_wait_or_answer_429",
            "tests/bench/test_floods.py::test_every_endpoint_and_frame_has_a_flood",
        ),
        "stream": (
            f"{_OURS}test_flood_of_frames_closes_its_own_stream",
            f"{_OURS}test_streams_count_as_sockets_of_their_person",
            f"{_OURS}test_streams_count_as_handshakes_of_their_address",
        ),
        "upload": (f"{_FILES}test_limits",),
        "page": (
            f"{_API}test_sign_ups_of_an_address_are_counted",
            "tests/nginx/test_limits.py::test_flood_of_requests_gets_429_in_the_callers_format",
        ),
        "admin": ("tests/nginx/test_limits.py::test_flood_of_requests_gets_429_in_the_callers_format",),
        "webhook": (f"{_HOOKS}test_flood_through_a_hook_is_limited",),
        "device": (f"{_DEVICES}test_devices_and_their_readings_are_limited",),
    },
    "guesses": {
        "cookie": (
            f"{_API}test_guesses_of_a_password_are_throttled",
            "tests/config/test_safeguards.py::test_guessable_key_is_refused_unshown",
        ),
        "token": (f"{_API}test_guesses_from_one_network_are_counted_together",),
        "ticket": (f"{_FLOODS}test_too_many_handshakes_of_one_address_are_refused",),
        "simple": (f"{_FLOODS}test_too_many_handshakes_of_one_address_are_refused",),
        "consumer": (f"{_FLOODS}test_too_many_handshakes_of_one_address_are_refused",),
        "api": (
            f"{_API}test_guesses_of_a_password_are_throttled",
            "tests/accounts/test_hashing.py::test_flooding_address_is_refused_and_others_are_served",
        ),
        "stream": ("tests/realtime/test_streams.py::test_name_of_a_stream_tells_whose_it_is",),
        "upload": (f"{_FILES}test_who_may_upload_and_read",),
        "page": (f"{_PAGES}test_guesses_on_the_form_are_throttled", f"{_PAGES}test_throttled_password_change_shows_the_form"),
        "admin": (
            "tests/accounts/test_admin.py::test_guesses_at_the_admin_sign_in_are_throttled",
            "tests/config/test_admin_addresses.py::test_guesses_at_the_admin_pages_old_password_are_counted",
        ),
        "webhook": ("tests/nginx/test_limits.py::test_flood_of_requests_gets_429_in_the_callers_format",),
        "device": (f"{_FLOODS}test_too_many_handshakes_of_one_address_are_refused",),
    },
    "secrets and texts in logs": {
        "cookie": (
            f"{_LOGS}test_no_handshake_leaves_secrets_in_the_log",
            f"{_LOGS}test_no_frame_leaves_text_or_secrets_in_the_log",
        ),
        "token": (
            f"{_LOGS}test_no_handshake_leaves_secrets_in_the_log",
            f"{_CREDENTIALS}test_only_the_digest_of_a_token_is_stored",
        ),
        "ticket": (
            f"{_LOGS}test_no_handshake_leaves_secrets_in_the_log",
            "tests/nginx/test_logs.py::test_log_of_a_socket_has_its_path_without_query",
        ),
        "simple": (f"{_LOGS}test_no_handshake_leaves_secrets_in_the_log",),
        "consumer": (f"{_CREDENTIALS}test_no_credential_reaches_a_log",),
        "api": (f"{_LOGS}test_no_call_of_the_api_leaves_text_or_secrets_in_the_log",),
        "stream": (f"{_LOGS}test_no_frame_leaves_text_or_secrets_in_the_log",),
        "upload": (f"{_LOGS}test_no_call_of_the_api_leaves_text_or_secrets_in_the_log",),
        "page": (f"{_LOGS}test_no_page_leaves_text_or_secrets_in_the_log",),
        "admin": (f"{_LOGS}test_no_page_leaves_text_or_secrets_in_the_log",),
        "webhook": ("tests/nginx/test_logs.py::test_log_has_no_token_of_a_webhook",),
        "device": (f"{_DEVICES}test_token_is_shown_once_and_kept_hashed",),
    },
}

HEAD = """\
# Attack matrix

Every attack of [the threat model](security.md), at every way into Hubbub, and the tests that hold it. `tests/security` refuses a
way without a test, and a test that is not there. Written from `tests/security/matrix.py`.
"""


def page() -> str:
    """Return the text of docs/attack-matrix.md."""
    lines = [HEAD, "| way in | what it is |", "| --- | --- |"]
    lines += [f"| {way} | {what} |" for way, what in WAYS.items()]
    for attack, cells in MATRIX.items():
        lines += ["", f"## {attack[0].upper()}{attack[1:]}", "", "| way in | held by |", "| --- | --- |"]
        lines += [f"| {way} | {'<br>'.join(f'`{test}`' for test in tests)} |" for way, tests in cells.items()]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
