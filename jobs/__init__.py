"""The verbs: pull, compute, plan, push, alert, and when they run.

May import everything but cli and emulator.
Does not know how anything is printed.

Where to begin reading: `sync` (the steps) → `pull` (what changed in the org) → `compute` (standings) → `planning` (what the org
should be told) → `push` (telling it). Every other module is one concern of these; a test holds this map to the folder:

    whole jobs       sync reconcile steps run_report rehearsal verification periods
    a run            app running again pace in_time progress failures clock logs person refusals login_pause settings configuration
                     whose_file rules_in_use
    when             schedule schedule_check alarms due slots slot_checks first_seen clock_ahead
    several at work  shard_work shard_compute compute_shards compute_in_two push_shards helping second_process
    pulling          pull reading bulk_streams narrowing rereading rejecting merges_and_gaps org_time orders_of_lines counting
                     losers_of_pulls
    comparing        inventory lost_rows lost_lately drift rebase tidying
    computing        compute computing calculator calculated documents missing_inputs group_shares budgets_and_rivals rivals ignoring
                     strangers amounts_too_large recheck engines
    settled money    settling closing correction_parts settled_changes late_lines takeover unplaced owed payouts payouts_asked
                     payouts_begun payouts_seen payouts_gone payout_types decimals
    planning         planning planning_run whole_plan views primary alerting left_behind merged nobodys_records fuses overrides
                     own_currency preflight schema
    pushing          push fates bulk_push pushed bells poison found_by_key overtaken retry_rule batch_sizes
    tasks            tasks_in_org tasks_at_night task_changes task_statuses
    programs         program_files program_check program_look program_diff checked_settled refused_programs store_facts targets
                     trial trial_files trial_counting trial_run example_files
    answers          status explanation why_changed doctor doctor_sharing findings
    setting up       deploy demo
"""
