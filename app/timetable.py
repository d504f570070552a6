"""Builds what decides when to record and when to upload, as far as the configuration asks for it."""


def timetable(config, board):
    """-> (agenda or None: it records always, what runs the uploads). `board`: app.main.Board, all but finished."""
    schedule = config["schedule"]
    upload = config["upload"]
    power = board.power
    state = power.state() if power else {}
    has_times = upload is not None and is_policy(upload, schedule)
    has_policy = has_times and (board.shipper or board.ble)
    agenda = None
    if schedule["windows"] or schedule["active"] or schedule["sleep"] != "none" or has_policy:
        from app.agenda import Agenda

        agenda = Agenda(schedule, state, board.clock, power.utc if power else None)
    if not has_policy:
        from app.uploads import Uploads

        return agenda, Uploads(board, has_radio=not has_times)
    from app.batches import Batches
    from app.policy import Policy, outlasts_handshake

    may_interrupt = upload["while_recording"]
    if may_interrupt is None:
        from config.pauses import longest_pause_s

        has_pauses = board.motion or longest_pause_s(schedule["windows"])
        may_interrupt = not has_pauses or outlasts_handshake(board.streams)
    policy = Policy(upload, config["device"], may_interrupt)
    connect_s = upload["connect_s"]
    kept = state.setdefault("uploads", {})
    return agenda, Batches(board, policy, kept, connect_s)


def is_policy(upload, schedule):
    """-> whether uploads have their times, and the radio is on only for them; otherwise it is always on."""
    keys = ("max_latency_s", "min_batch_kb", "align_s", "only_if")
    return schedule["sleep"] != "none" or any([upload[key] for key in keys]) or upload["while_recording"] is False
