== 2.1 retrospective: the reached tier pays on everything, and exactly at the threshold
program retrospective by month on amount
tier Silver from 10000 pays 5%
tier Gold from 50000 pays 15%
order 2026-01-05 A1 49999.99
on 2026-01-31 A1 earns 2500.00 at Silver
on 2026-01-31 A1 needs 0.01 for Gold
order 2026-01-06 A1 0.01
on 2026-01-31 A1 earns 7500.00 at Gold

== 2.1 retrospective: a return below the threshold drops the whole rebate
program retrospective by month on amount
tier Low from 0 pays 2%
tier High from 10000 pays 4%
order 2026-01-10 A1 9000.00
order 2026-01-11 A1 4000.00
on 2026-01-12 A1 earns 520.00 at High
return 2026-01-20 A1 3500.00
on 2026-01-31 A1 earns 190.00 at Low

== 2.1 a month with more returns than sales earns nothing
program retrospective by month on amount
tier Low from 0 pays 2%
order 2026-01-10 A1 100.00
return 2026-01-20 A1 150.00
on 2026-01-31 A1 earns 0.00 at none

== 2.2 stepped: a return takes back the higher tier first
program stepped by year on amount
tier Low from 0 pays 2%
tier High from 10000 pays 4%
order 2026-01-10 A1 9000.00
order 2026-02-11 A1 4000.00
on 2026-02-28 A1 earns 320.00
return 2026-03-05 A1 3500.00
on 2026-03-31 A1 earns 190.00

== 2.2 stepped: below the first threshold nothing is earned
program stepped by month on quantity
tier One from 100 pays 2 a unit
order 2026-01-10 A1 5000 for 120 units
on 2026-01-31 A1 earns 40.00 at One

== 2.2 stepped: a unit rate on money bands is the weighted average of the bands
program stepped by month on amount
tier One from 0 pays 5 a unit
tier Two from 100 pays 10 a unit
order 2026-01-10 A1 200.00 for 30 units
on 2026-01-31 A1 earns 225.00 at Two

== 2.3 rolling and total schemes are written as what they pay: reached amounts add up
program stepped by month on amount
tier One from 1000 pays 20 fixed
tier Two from 2000 pays 30 fixed
order 2026-01-10 A1 2500
on 2026-01-31 A1 earns 50.00 at Two

== 2.4 pay to first: a marked tier takes the units below it along, the rest stays marginal
program stepped by month on quantity
tier A from 1 pays 1.50 a unit
tier B from 250 pays 2.00 a unit with back_to_first = true
tier C from 400 pays 3.00 a unit
order 2026-01-10 A1 900 for 300 units
on 2026-01-15 A1 earns 600.00 at B
order 2026-01-20 A1 450 for 150 units
on 2026-01-31 A1 earns 950.00 at C

== 2.5 fixed amounts: the highest reached one is paid
program retrospective by quarter on amount
tier One from 10000 pays 100 fixed
tier Two from 20000 pays 300 fixed
order 2026-02-10 A1 25000
on 2026-03-31 A1 earns 300.00 at Two

== 2.6 increments: so much for every full thousand above the target
program retrospective by month on amount
tier Target from 10000 pays 50 fixed with per = "1000"
order 2026-01-10 A1 13999.99
on 2026-01-31 A1 earns 150.00 at Target

== 2.6 increments in percent pay on full increments only
program retrospective by month on amount
tier Target from 10000 pays 2% with per = "1000"
order 2026-01-10 A1 13999.99
on 2026-01-31 A1 earns 60.00 at Target

== 2.6 linear: the benefit grows in a straight line between two points and then stays
program retrospective by month on amount
tier Ramp from 10000 with from = "1000"; to = "3000"; until = "20000"
order 2026-01-10 A1 15000
on 2026-01-15 A1 earns 2000.00
order 2026-01-20 A1 90000
on 2026-01-31 A1 earns 3000.00

== 2.6 linear in percent: the money at both ends is interpolated
program retrospective by month on amount
tier Ramp from 10000 with from = "1%"; to = "3%"; until = "20000"
order 2026-01-10 A1 15000
on 2026-01-31 A1 earns 350.00

== 2.25 boundary: exceed means above, and the gap is one coin more
program retrospective by month on amount
terms boundary = "exceed"
tier Low from 0 pays 1%
tier High from 600 pays 2%
order 2026-01-10 A1 600.00
on 2026-01-15 A1 earns 6.00 at Low
on 2026-01-15 A1 needs 0.01 for High
order 2026-01-20 A1 0.01
on 2026-01-31 A1 earns 12.00 at High

== 2.25 whole units: unit no. 15 is the first of the tier from 15
program stepped by month on quantity
terms whole_units = true
tier Low from 0 pays 0.30 a unit
tier High from 15 pays 0.40 a unit
order 2026-01-10 A1 26 for 26 units
on 2026-01-31 A1 earns 9.00 at High
