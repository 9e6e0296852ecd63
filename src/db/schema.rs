//! The tables as Diesel sees them; a test compares them with the migrated database.
#![expect(missing_docs, reason = "the columns are described in the migrations")]

diesel::table! {
    users (id) {
        id -> Uuid,
        email -> Text,
        role -> Text,
        password_hash -> Text,
        time_zone -> Text,
        created_at -> Timestamptz,
        masks_alive -> Nullable<Int4>,
        masks_a_day -> Nullable<Int4>,
        masks_in_30_days -> Nullable<Int4>,
    }
}

diesel::table! {
    mailed_links (token_digest) {
        token_digest -> Bytea,
        email -> Text,
        role -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        used_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    letters (id) {
        id -> Uuid,
        state -> Text,
        sealed -> Nullable<Bytea>,
        attempts -> Int4,
        created_at -> Timestamptz,
        next_at -> Timestamptz,
        lease_until -> Nullable<Timestamptz>,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    sessions (key_digest) {
        key_digest -> Bytea,
        id -> Uuid,
        user_id -> Uuid,
        state -> Text,
        device -> Text,
        created_at -> Timestamptz,
        seen_at -> Timestamptz,
        expires_at -> Timestamptz,
    }
}

diesel::table! {
    rate_events (bucket, at) {
        bucket -> Bytea,
        at -> Timestamptz,
    }
}

diesel::table! {
    audit (id) {
        id -> Int8,
        at -> Timestamptz,
        actor -> Text,
        actor_id -> Nullable<Uuid>,
        action -> Text,
        subject_id -> Uuid,
        detail -> Text,
    }
}

diesel::table! {
    numbers (id) {
        id -> Uuid,
        user_id -> Uuid,
        sealed -> Bytea,
        lookup -> Bytea,
        created_at -> Timestamptz,
        verified_at -> Nullable<Timestamptz>,
        lookup_next -> Nullable<Bytea>,
    }
}

diesel::table! {
    verifications (id) {
        id -> Uuid,
        number_id -> Uuid,
        channel -> Text,
        created_at -> Timestamptz,
        expires_at -> Timestamptz,
        tries_left -> Int4,
        carrier_session -> Nullable<Text>,
        ended_at -> Nullable<Timestamptz>,
        said_at -> Nullable<Timestamptz>,
        undelivered -> Nullable<Text>,
    }
}

diesel::table! {
    masks (id) {
        id -> Uuid,
        user_id -> Uuid,
        number_id -> Nullable<Uuid>,
        country -> Text,
        wanted_prefix -> Nullable<Text>,
        e164 -> Nullable<Text>,
        elsewhere -> Bool,
        label -> Text,
        state -> Text,
        requested_at -> Timestamptz,
        paused_by -> Nullable<Text>,
        revoked_at -> Nullable<Timestamptz>,
        revoked_by -> Nullable<Text>,
        rests_until -> Nullable<Timestamptz>,
        released_at -> Nullable<Timestamptz>,
        failure -> Nullable<Text>,
    }
}

diesel::table! {
    operations (id) {
        id -> Uuid,
        mask_id -> Uuid,
        kind -> Text,
        key -> Text,
        state -> Text,
        attempts -> Int4,
        chosen -> Nullable<Text>,
        absences -> Int4,
        next_at -> Timestamptz,
        lease_until -> Nullable<Timestamptz>,
        last_error -> Nullable<Text>,
        created_at -> Timestamptz,
        finished_at -> Nullable<Timestamptz>,
        given_up_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    calls (id) {
        id -> Uuid,
        mask_id -> Uuid,
        event_key -> Text,
        caller_sealed -> Nullable<Bytea>,
        caller_lookup -> Nullable<Bytea>,
        received_at -> Timestamptz,
        decision -> Text,
        answered_at -> Nullable<Timestamptz>,
        answered_after -> Nullable<Int4>,
        ending -> Nullable<Text>,
        talk_seconds -> Nullable<Int4>,
        cut_at -> Nullable<Timestamptz>,
        ended_at -> Nullable<Timestamptz>,
        recorded -> Int8,
        server -> Nullable<Uuid>,
        admitted_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    refused_calls (mask_id, hour, run) {
        mask_id -> Uuid,
        hour -> Timestamptz,
        run -> Uuid,
        calls -> Int8,
    }
}

diesel::table! {
    orphans (id) {
        id -> Uuid,
        e164 -> Text,
        state -> Text,
        first_seen_at -> Timestamptz,
        last_seen_at -> Timestamptz,
        sightings -> Int4,
        mask_id -> Nullable<Uuid>,
        note -> Nullable<Text>,
        settled_at -> Nullable<Timestamptz>,
    }
}

diesel::table! {
    absences (mask_id) {
        mask_id -> Uuid,
        first_missed_at -> Timestamptz,
        last_missed_at -> Timestamptz,
        sightings -> Int4,
    }
}

diesel::table! {
    talk (mask_id, month) {
        mask_id -> Uuid,
        month -> Date,
        seconds -> Int8,
    }
}

diesel::table! {
    reconciliation (only_row) {
        only_row -> Bool,
        round -> Int8,
        lease_until -> Nullable<Timestamptz>,
        tried_at -> Nullable<Timestamptz>,
        good_at -> Nullable<Timestamptz>,
        good_size -> Nullable<Int4>,
        alarm -> Nullable<Text>,
        alarm_since -> Nullable<Timestamptz>,
        doubted_size -> Nullable<Int4>,
        believed_size -> Nullable<Int4>,
        settings_fault -> Nullable<Text>,
        settings_fault_since -> Nullable<Timestamptz>,
        is_billed -> Nullable<Bool>,
    }
}

diesel::table! {
    tallies (day, what) {
        day -> Date,
        what -> Text,
        amount -> Int8,
    }
}

diesel::table! {
    spending_stops (id) {
        id -> Uuid,
        scope -> Text,
        subject -> Text,
        calls_too -> Bool,
        reason -> Text,
        stopped_by -> Uuid,
        stopped_at -> Timestamptz,
    }
}

diesel::table! {
    directory_version (only_row) {
        only_row -> Bool,
        era -> Uuid,
        version -> Int8,
    }
}

diesel::table! {
    directory_changes (e164) {
        e164 -> Text,
        version -> Int8,
    }
}

diesel::table! {
    servers (id) {
        id -> Uuid,
        name -> Text,
        started_at -> Timestamptz,
        seen_at -> Timestamptz,
        version -> Int8,
        edition -> Nullable<Uuid>,
    }
}

diesel::table! {
    cap_notices (cap) {
        cap -> Text,
        told_at -> Timestamptz,
    }
}

diesel::joinable!(sessions -> users (user_id));
diesel::joinable!(numbers -> users (user_id));
diesel::joinable!(verifications -> numbers (number_id));
diesel::joinable!(masks -> users (user_id));
diesel::joinable!(masks -> numbers (number_id));
diesel::joinable!(operations -> masks (mask_id));
diesel::joinable!(calls -> masks (mask_id));
diesel::joinable!(talk -> masks (mask_id));
diesel::allow_tables_to_appear_in_same_query!(
    users,
    mailed_links,
    letters,
    sessions,
    rate_events,
    audit,
    numbers,
    verifications,
    masks,
    operations,
    calls,
    refused_calls,
    orphans,
    absences,
    reconciliation,
    talk,
    tallies,
    spending_stops,
    cap_notices,
    directory_version,
    directory_changes,
    servers,
);
