== 2.19 currency: each line at the rate of its day
program retrospective by month on amount
terms currency_policy = "line_date"
tier One from 0 pays 10%
rate EUR 0.50 from 2026-01-01
rate EUR 0.80 from 2026-01-15
order 2026-01-10 A1 100 in EUR
order 2026-01-20 A1 100 in EUR
on 2026-01-31 A1 earns 32.50

== 2.19 currency: all at the rate of the period's last day
program retrospective by month on amount
terms currency_policy = "period_end"
tier One from 0 pays 10%
rate EUR 0.50 from 2026-01-01
rate EUR 0.80 from 2026-01-15
order 2026-01-10 A1 100 in EUR
on 2026-01-31 A1 earns 12.50

== 2.19 currency: at the average of the period's days
program retrospective by month on amount
terms currency_policy = "period_average"
tier One from 0 pays 10%
rate EUR 0.50 from 2026-04-01
rate EUR 1.00 from 2026-04-16
order 2026-04-10 A1 100 in EUR
on 2026-04-30 A1 earns 15.00

== 2.19 currency: at a rate that the contract fixes
program retrospective by month on amount
terms currency_policy = "fixed"
terms rates.EUR = "1.10"
tier One from 0 pays 10%
order 2026-01-10 A1 100 in EUR
on 2026-01-31 A1 earns 11.00

== 2.19 currency: without a rate the standing is incomplete, never silently lower
program retrospective by month on amount
tier One from 0 pays 10%
order 2026-01-10 A1 100 in GBP
order 2026-01-10 A1 100
on 2026-01-31 A1 earns 10.00
on 2026-01-31 A1 is incomplete because "no rate for GBP"
on 2026-01-31 order 1 does not count because "no rate for GBP"

== 2.20 rounding: once, half up, at the currency's smallest coin
program stepped by month on quantity
tier One from 0 pays 0.125 a unit
order 2026-01-10 A1 7 for 7 units
on 2026-01-31 A1 earns 0.88

== 2.20 rounding: yen have no cents
program retrospective by month on amount
terms currency = "JPY"
tier One from 0 pays 1.5%
order 2026-01-10 A1 1234
on 2026-01-31 A1 earns 19

== 2.20 rounding: dinars have three
program retrospective by month on amount
terms currency = "KWD"
tier One from 0 pays 1.5%
order 2026-01-10 A1 12.345
on 2026-01-31 A1 earns 0.185

== 2.22 stacking in parallel: both pay on the full base
program retrospective by month on amount called first
tier One from 0 pays 10%
program retrospective by month on amount called second
tier One from 0 pays 5%
order 2026-01-10 A1 100
on 2026-01-31 A1 under first earns 10.00
on 2026-01-31 A1 under second earns 5.00

== 2.22 stacking in sequence: the second pays on what the first left
program retrospective by month on amount called second
terms stacking = { mode = "sequential", order = 2 }
tier One from 0 pays 5%
program retrospective by month on amount called first
terms stacking = { mode = "sequential", order = 1 }
tier One from 0 pays 10%
order 2026-01-10 A1 100
on 2026-01-31 A1 under first earns 10.00
on 2026-01-31 A1 under second earns 4.50

== 2.22 stacking exclusively: only the better deal pays
program retrospective by month on amount called first
terms stacking = "exclusive"
tier One from 0 pays 10%
program retrospective by month on amount called second
terms stacking = "exclusive"
tier One from 1000 pays 20%
order 2026-01-10 A1 100
on 2026-01-20 A1 under first earns 10.00
on 2026-01-20 A1 under second earns 0.00
order 2026-01-25 A1 900
on 2026-01-31 A1 under first earns 0.00
on 2026-01-31 A1 under first says "second is the better deal"
on 2026-01-31 A1 under second earns 200.00
