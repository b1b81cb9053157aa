== 2.13 periods: an instant belongs to the day it is in the program's time zone
program retrospective by month on amount
terms time_zone = "America/New_York"
tier One from 0 pays 1%
order 2026-04-01T02:30+00:00 A1 1000
order 2026-04-01T05:30+00:00 A1 500
on 2026-04-30 A1 in 2026-03 earns 10.00
on 2026-04-30 A1 in 2026-04 earns 5.00

== 2.13 periods: fiscal quarters begin with the fiscal year
program retrospective by quarter on amount
terms fiscal_year_starts = 2
tier One from 0 pays 1%
order 2026-01-31 A1 100
order 2026-02-01 A1 1000
order 2026-04-30 A1 1000
order 2026-05-01 A1 50
on 2026-12-31 A1 in FY2026-Q4 earns 1.00
on 2026-12-31 A1 in FY2027-Q1 earns 20.00
on 2026-12-31 A1 in FY2027-Q2 earns 0.50

== 2.13 periods: every two weeks from the program's first day, and a retail calendar
program retrospective by 2_weeks on amount
terms starts = 2026-01-07
terms anchor = "program"
tier One from 0 pays 1%
order 2026-01-20 A1 100
order 2026-01-21 A1 300
on 2026-12-31 A1 in 2026-01-07 earns 1.00
on 2026-12-31 A1 in 2026-01-21 earns 3.00
program retrospective by 4-4-5 on amount called retail
terms first_week = 2025-12-29
tier One from 0 pays 1%
on 2026-12-31 A1 under retail in FY2026-P01 earns 4.00

== 2.14 year to date: monthly payouts are the rebate so far less what was settled
program retrospective by month on amount
terms settlement.window = "year"
tier One from 5000 pays 2%
tier Two from 20000 pays 4%
order 2026-01-05 A1 3000
order 2026-02-05 A1 4000
order 2026-03-05 A1 20000
on 2026-03-31 A1 in 2026-01 is paid 0.00
on 2026-03-31 A1 in 2026-02 is paid 140.00
on 2026-03-31 A1 in 2026-03 earns 1080.00
on 2026-03-31 A1 in 2026-03 is paid 940.00

== 2.14 year to date: what was paid too much is taken from the next payout, never below zero
program retrospective by month on amount
terms settlement.window = "year"
tier One from 0 pays 1%
tier Two from 10000 pays 5%
order 2026-01-05 A1 10000
return 2026-02-05 A1 5000
order 2026-03-05 A1 1000
order 2026-04-05 A1 6000
on 2026-04-30 A1 in 2026-01 is paid 500.00
on 2026-04-30 A1 in 2026-02 is paid 0.00
on 2026-04-30 A1 in 2026-02 carries -450.00
on 2026-04-30 A1 in 2026-03 is paid 0.00
on 2026-04-30 A1 in 2026-03 carries -440.00
on 2026-04-30 A1 in 2026-04 earns 600.00
on 2026-04-30 A1 in 2026-04 is paid 100.00

== 2.14 claw-back by invoice
program retrospective by month on amount
terms settlement = { window = "year", claw_back = "invoice" }
tier One from 0 pays 1%
order 2026-01-05 A1 10000
return 2026-02-05 A1 5000
on 2026-02-28 A1 in 2026-02 is invoiced 50.00

== 2.14 what was waived is not paid again when it is earned again
program retrospective by month on amount
terms settlement = { window = "year", claw_back = "waive" }
tier One from 0 pays 10%
order 2026-01-05 A1 1000
return 2026-02-05 A1 1000
order 2026-03-05 A1 1000
order 2026-04-05 A1 500
on 2026-04-30 A1 in 2026-01 is paid 100.00
on 2026-04-30 A1 in 2026-02 is paid 0.00
on 2026-04-30 A1 in 2026-03 is paid 0.00
on 2026-04-30 A1 in 2026-04 is paid 50.00

== 2.15 what is earned so far is the accrual at the tier that is reached
program retrospective by year on amount
tier One from 100000 pays 3%
tier Two from 200000 pays 4%
order 2026-03-05 A1 110000
on 2026-06-30 A1 earns 3300.00 at One
on 2026-06-30 A1 then earns 8000.00 at Two

== 2.16 returns: on their own day, or on the original order's
program retrospective by month on amount
tier One from 0 pays 10%
order 2026-01-10 A1 1000
order 2026-02-01 A1 1000
return 2026-02-10 A1 400 takes back 1
on 2026-02-28 A1 in 2026-01 earns 100.00
on 2026-02-28 A1 in 2026-02 earns 60.00
program retrospective by month on amount called original
terms returns = "original_period"
tier One from 0 pays 10%
on 2026-02-28 A1 under original in 2026-01 earns 60.00
on 2026-02-28 A1 under original in 2026-02 earns 100.00

== 2.16 returns: a cancelled order counts as little as if it had never been
program retrospective by month on amount
terms counts.order.status = { not_in = ["Cancelled"] }
tier One from 0 pays 10%
order 2026-01-10 A1 1000
order 2026-01-11 A1 500 status Cancelled
on 2026-01-31 A1 earns 100.00

== 2.17 late lines: within the days of grace they belong to the old period
program retrospective by month on amount
terms grace_days = 5
tier One from 0 pays 1%
tier Two from 2000 pays 2%
order 2026-01-10 A1 1500
order 2026-01-20 A1 500 received 2026-02-05
on 2026-02-28 A1 in 2026-01 earns 40.00 at Two

== 2.17 late lines: after closing they are an adjustment, told apart into what they earn and what they did to the rate
program retrospective by month on amount
terms grace_days = 5
tier One from 0 pays 1%
tier Two from 2000 pays 2%
order 2026-01-10 A1 1500
order 2026-01-20 A1 500 received 2026-02-06
order 2026-02-10 A1 100
on 2026-02-28 A1 in 2026-01 earns 15.00 at One
on 2026-02-28 A1 in 2026-02 earns 1.00
on 2026-02-28 A1 in 2026-02 is adjusted 5.00 and 20.00
on 2026-02-28 A1 in 2026-02 is paid 26.00

== 2.17 late lines: or they do not count any more
program retrospective by month on amount
terms late_lines = "ignore"
tier One from 0 pays 1%
order 2026-01-10 A1 1500
order 2026-01-20 A1 500 received 2026-02-06
on 2026-02-28 A1 in 2026-01 earns 15.00
on 2026-02-28 order 2 does not count because "after 2026-01 was closed"

== 2.17 late lines: in a year-to-date program the next payout covers them, with the tier that they bring
program retrospective by month on amount
terms settlement.window = "year"
tier One from 0 pays 10%
tier Two from 2000 pays 20%
order 2026-01-10 A1 1000
order 2026-01-20 A1 500 received 2026-02-06
order 2026-02-10 A1 600
on 2026-02-28 A1 in 2026-01 is paid 100.00
on 2026-02-28 A1 in 2026-02 earns 420.00 at Two
on 2026-02-28 A1 in 2026-02 is adjusted 50.00 and 0.00
on 2026-02-28 A1 in 2026-02 is paid 320.00

== 2.17 late lines: they do not count before they came
program retrospective by month on amount
terms settlement.window = "year"
tier One from 0 pays 10%
tier Two from 2000 pays 20%
order 2026-01-10 A1 1000
order 2026-01-20 A1 500 received 2026-03-06
order 2026-02-10 A1 600
on 2026-03-31 A1 in 2026-02 earns 160.00 at One
on 2026-03-31 A1 in 2026-02 is paid 60.00
on 2026-03-31 A1 in 2026-03 is paid 260.00

== 2.17 late lines: what comes after the quarter to date is over is an adjustment of the quarter
program retrospective by month on amount
terms settlement.window = "quarter"
tier One from 0 pays 10%
tier Two from 2000 pays 20%
order 2026-01-10 A1 1000
order 2026-02-20 A1 1500 received 2026-04-06
order 2026-03-10 A1 600
order 2026-04-10 A1 100
on 2026-04-30 A1 in 2026-03 is paid 60.00
on 2026-04-30 A1 in 2026-04 is adjusted 150.00 and 310.00
on 2026-04-30 A1 in 2026-04 is paid 470.00

== 2.17 late lines: somebody who bought nothing since is paid them in the period that runs when they come
program retrospective by month on amount
tier One from 0 pays 10%
order 2026-01-20 A1 1000 received 2026-03-10
on 2026-03-31 A1 in 2026-01 is paid 0.00
on 2026-03-31 A1 in 2026-03 is adjusted 100.00 and 0.00
on 2026-03-31 A1 in 2026-03 is paid 100.00

== 2.21 the day that counts is the order's, and later days have not happened yet
program retrospective by month on amount
tier One from 0 pays 1%
order 2026-01-10 A1 1000
order 2026-01-20 A1 1000
on 2026-01-15 A1 earns 10.00
on 2026-01-15 order 2 does not count because "dated after 2026-01-15"
on 2026-01-20 A1 earns 20.00

== 2.21 near the next tier with a week left
program retrospective by month on amount
terms alerts.near_tier = { days_left = 7, within = "5000" }
tier Silver from 10000 pays 5%
tier Gold from 50000 pays 15%
order 2026-11-10 A1 45100
on 2026-11-23 A1 is on_track
on 2026-11-24 A1 is near_next_tier
on 2026-11-24 A1 needs 4900.00 for Gold

== 2.23 versions: as of their day, each line is paid on its own terms
program retrospective by year on amount called deal
tier One from 0 pays 10%
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 15%
order 2026-03-06 A1 300
order 2026-03-12 A1 100
on 2026-12-31 A1 earns 45.00
on 2026-12-31 A1 says "300 USD on the terms from 2026-01-01: One, 10%: 30.00"
on 2026-12-31 A1 says "rebate 45.00 USD (exact)"

== 2.23 versions: a fixed amount is paid once, shared by what was bought on which terms
program retrospective by year on amount called deal
tier One from 0 pays 100 fixed
tier Two from 1000 pays 400 fixed
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 200 fixed
tier Two from 1000 pays 800 fixed
order 2026-03-06 A1 300
order 2026-03-12 A1 100
on 2026-12-31 A1 earns 125.00 at One
on 2026-12-31 A1 needs 600 for Two
on 2026-12-31 A1 then earns 680.00 at Two

== 2.23 versions: a fixed amount of lines that take each other back is that of the terms they were bought on
program retrospective by year on amount called deal
tier One from 0 pays 100 fixed
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 200 fixed
order 2026-03-06 A1 300
order 2026-03-12 A1 -300
on 2026-12-31 A1 earns 100.00 at One

== 2.23 versions: a fixed amount of lines that cost nothing is shared by the lines
program retrospective by year on amount called deal
tier One from 0 pays 100 fixed
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 200 fixed
order 2026-03-06 A1 0
order 2026-03-12 A1 0
on 2026-12-31 A1 earns 150.00 at One

== 2.23 versions: terms on whose days nothing was bought pay nothing of it
program retrospective by year on amount called deal
tier One from 0 pays 100 fixed
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 200 fixed
order 2026-02-06 A1 300
order 2026-03-06 A1 -300
on 2026-12-31 A1 earns 100.00 at One

== 2.23 versions: a return is no purchase on the terms of its day
program retrospective by year on amount called deal
tier One from 0 pays 100 fixed
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 200 fixed
order 2026-03-06 A1 300
order 2026-03-12 A1 -200
on 2026-12-31 A1 earns 100.00 at One

== 2.23 versions: a rate goes with each line, a return too
program retrospective by year on amount called deal
tier One from 0 pays 10%
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 15%
order 2026-03-06 A1 300
order 2026-03-12 A1 -100
on 2026-12-31 A1 earns 15.00 at One

== 2.23 versions: tiers of all terms together pay nothing below zero
program retrospective by year on amount called deal
tier One from 0 pays 10%
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "as_of"
tier One from 0 pays 15%
order 2026-03-06 A1 300
order 2026-03-12 A1 -299
on 2026-12-31 A1 earns 0.00 at One
on 2026-12-31 A1 says "the tiers of all terms together come to less than 0, and pay nothing: -14.85 is 0.00"

== 2.23 versions: the latest terms hold for past and future
program retrospective by year on amount called deal
tier One from 0 pays 10%
program retrospective by year on amount called deal
terms effective_from = 2026-03-10
terms amendment = "latest"
tier One from 0 pays 15%
order 2026-03-06 A1 300
on 2026-12-31 A1 earns 45.00
