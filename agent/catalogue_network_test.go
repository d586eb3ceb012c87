package agent

// catalogueOfNetworkAndProcess has the rows that are not about files: the network
// and Amazon, time, the process and systemd, displays and programs.
func catalogueOfNetworkAndProcess() []catalogued {
	return []catalogued{
		// Network and Amazon.
		{
			"F16", "no network at boot, or for days",
			"TestReadyIsSaidAtOnceWhateverElseHappens TestOutageNeverEndsALink TestNoTroubleAtTheRefreshCostsTheLink TestAddressOrRouteThatComesIsNoticed TestMessageCutShortIsNoNews " +
				"TestNewsOfTheNetworkOrTheClockEndsAWaitWithinTenSeconds TestNetworkThatComesAndGoesAllTheTimeIsNoHammering TestNewsWithinTheMinuteIsNotForgotten TestNewsInTheMiddleOfACallCountsWhenThatHasFailed TestNewsThatShortensNothingIsNotCounted TestBlackoutKeepsItsSpreadWhenTheNetworkComes",
			"ready at once; waits grow to 10 min, and end within 10 s of an address or a default route, once a minute",
			"RTM_NEWADDR, RTM_NEWROUTE: nobody noticed; the scope: the loopback is news; the shortening: 6 min; once a minute: 993 tries in an hour; news in a call: 8 min; the backoff: 2,823 calls in 100 min",
		},
		{
			"F17", "names are not found, the name server appears late",
			"lwa.TestNameServerThatAppearsLateIsAsked lwa.TestEveryBadDayPasses",
			"passes; a resolv.conf that is filled later is used within 5 s",
			"Go's own resolver for one with a fixed server: never found",
		},
		{
			"F18", "captive portal: HTML with 200, 302, a foreign certificate",
			"lwa.TestNoRedirectIsFollowed lwa.TestAnswerWithAnotherContentTypeIsNotAmazons lwa.TestNothingGoesOutBeforeTheServerIsProven TestNoTroubleAtTheRefreshCostsTheLink",
			"passes, a portal is guessed at in the hint, nothing is parsed or followed",
			"the bare transport for an http.Client: 17 requests followed with their secrets; the content type: a page is taken for an answer",
		},
		{
			"F19", "a proxy is needed",
			"lwa.TestProxyOfTheEnvironmentIsUsed",
			"HTTPS_PROXY of the unit, as a tunnel; nothing goes past it",
			"Proxy: not used",
		},
		{
			"F20", "accepted and never answered, half-open, a body that trickles",
			"lwa.TestEveryBadDayPasses lwa.TestBadDaysOfARealConnection lwa.TestSixtyFourMebibytesAreNotRead TestNoTroubleAtTheRefreshCostsTheLink",
			"given up after 30 s",
			"the deadline: 50 min",
		},
		{
			"F21", "429 and 503 with Retry-After, in seconds or as a date",
			"lwa.TestRetryAfterIsHeldBetweenASecondAndAnHour lwa.FuzzRetryAfter TestRetryAfterIsAFloor TestNetworkThatComesDoesNotOverruleTheServer",
			"1 s to 1 h and up to as much again; a date is compared with the server's own",
			"the floor: tried after 2 s of 7 min; the bounds: 0 s",
		},
		{
			"F22", "5xx, reset, end of file, JSON cut short",
			"lwa.TestEveryBadDayPasses TestNoTroubleAtTheRefreshCostsTheLink TestOutageNeverEndsALink TestHistories",
			"passes, the token stays",
			"5xx as passing: not_oauth; only invalid_grant unlinks: unlinked by an outage",
		},
		{
			"F23", "huge, deep, doubled, other-case, invalid JSON",
			"lwa.TestAnswersThatAreNoTokens lwa.TestLongestAnswerIsSixtyFourKiB lwa.FuzzAnswer",
			"64 KiB, exact keys, none twice",
			"the look for a key twice: an answer with two tokens is taken",
		},
		{
			"F24", "expires_in absent, 0, negative, fraction, text, 10^12",
			"lwa.TestLifeOfATokenIsNeverMisread TestTinyLivesDoNotHammer",
			"5 min where it says nothing, at most 24 h",
			"the default: a life of 0 s",
		},
		{
			"F25", "invalid_grant at a refresh: the app was removed",
			"TestRemovalInTheAccountShowsTheLinkAtOnceAndKeepsTheToken TestRemovalAtAmazonBringsTheQRCodeBackAtOnce TestWrongRefusalByAmazonMendsItself TestHistories",
			"a way to link at once, the token kept and tried after 1, 10 and 60 min",
			"the tries: at once; keeping it: cleared by something else than unlink",
		},
		{
			"F26", "invalid_client: the secret was changed",
			"TestWrongSecretKeepsTheTokenAndNamesTheCure TestSecretMendedInTheConfigurationIsUsedAtOnce",
			"the link stays, the cure is named, every 15 min and when the configuration changes",
			"the wait for a person: 59 tries in 3 h",
		},
		{
			"F27", "a token of other scopes, or of somebody else",
			"TestOtherScopesThanBeforeAreToldToTheLog TestAccountIsNamedWhereTheScopesAllow",
			"the log tells of other scopes, the status shows them; the account is named at each link. Whose a later token is nothing says, and asking would double the calls",
			"the comparison: no line",
		},
		{
			"F28", "IPv6 goes nowhere",
			"lwa.TestBlackHoleOfIPv6IsSteppedOver",
			"IPv4 after 300 ms",
			"the fallback of the dialer: 5 s",
		},
		{
			"F29", "code pairs: pending, slow_down, expired, denied",
			"TestPollingKeepsTheIntervalAndSlowsDown TestPollingIsNeverTooSoon TestExpiredPairIsReplaced TestCancelOnThePhoneBringsANewCode TestForgottenDeviceAsksForTenMinutesInEachHour TestPairThatIsOutOfDateIsNotShownAgain",
			"the interval kept and doubled; replaced at its end by the time since boot",
			"the doubling: a poll too soon; the end: the same pair for ever",
		},
		// Time.
		{
			"F30", "clock behind at boot: no certificate is valid yet",
			"TestSettingTheClockEndsTheWaitForACertificate TestWrongCertificateIsBlamedOnTheClockOnlyWhereThatIsNotKept TestNewsOfTheNetworkOrTheClockEndsAWaitWithinTenSeconds lwa.TestCertificateOfAnotherTimeIsTheClock lwa.TestNothingGoesOutBeforeTheServerIsProven",
			"\"the clock is not set\", no refusal of Amazon's, tried within 10 s of its being set; the certificate is checked",
			"the words; the event: no token; a clock that comes to be kept: 6 min; InsecureSkipVerify: a code goes to a stranger",
		},
		{
			"F31", "clock steps by years",
			"TestStepsOfTheClockMoveNoDeadline TestClockThatIsSetLaterIsFollowed TestSkewFollowsAClockThatIsSet",
			"no deadline moves, the times that people read do, and how far the clock is off",
			"a due time that follows the wall clock: moved; our own uptime 0 in the skew: an hour behind although it was set",
		},
		{
			"F32", "suspend",
			"TestStepsOfTheClockMoveNoDeadline TestUptimeCountsFromTheBoot TestEventsDoNotPutTheTickOff",
			"CLOCK_BOOTTIME, looked at every 30 s",
			"the tick of 30 s: sleeps for 30 min; CLOCK_BOOTTIME: up for 57 years",
		},
		{
			"F33", "NTP sets the clock",
			"TestClockThatIsSetIsNoticed",
			"noticed by timerfd, again and again",
			"TFD_TIMER_CANCEL_ON_SET: nobody noticed",
		},
		{
			"F34", "49 days, 2038, 32 bits",
			"TestLongUptimesAndLateYearsAreNothingSpecial TestAYearOfBadDaysLeavesNoSecondWithoutAToken TestAYearOnABadLine",
			"nothing special; 0 s without a token in a year with a fifth of all calls failing and an outage of up to 12 min each day",
			"64 bits of a deadline: it spins; renewal at 90 % of a life: 17 min without a token in 5 days",
		},
		{
			"F35", "restarted with another clock",
			"TestRestartWithAnotherClockUsesTheTokenOfThisBoot TestTokenOfTheSameBootIsUsedWithoutACall TestRestartOfTheAgentAsksAmazonNothing",
			"the token of this boot is used, whatever the clocks say",
			"the file's age by the wall clock for its uptime: a call",
		},
		// Process and systemd.
		{
			"F36", "crash loop",
			"TestCrashLoopIsNoHammering TestCrashesAreCountedUntilSomethingCameOfAStart TestStartThatLivesTenMinutesIsNoCrash systemd.TestUnitsFitTheAgent systemd/boottest.TestDeviceFromInstallationToRemoval",
			"started again for ever (20 crashes under systemd), 59 calls in six hours of crashes",
			"the count: 4,320 calls; StartLimitIntervalSec=0: missed",
		},
		{
			"F37", "hang",
			"TestWatchdogStarvesWhileTheInboxHangs systemd.TestUnitsFitTheAgent systemd/boottest.TestDeviceFromInstallationToRemoval",
			"the watchdog is fed by the loop, after a step of the machine, and only while the inbox moves; started again with the same QR code",
			"the look at the inbox: fed 5 times",
		},
		{
			"F38", "slow start",
			"TestReadyIsSaidAtOnceWhateverElseHappens",
			"ready before network and link",
			"ready without a link: not until the next tick",
		},
		{
			"F39", "out of memory",
			"systemd.TestUnitsFitTheAgent TestKilledWhenever TestAcceptThatFailsEndsNoSocket",
			"GOMEMLIMIT below MemoryHigh below MemoryMax; a kill loses nothing; a socket goes on after an accept without memory",
			"MemoryMax=: missed; the listener's patience: the server ended",
		},
		{
			"F40", "descriptors or goroutines leak",
			"TestNothingIsLeftBehind TestForgottenConnectionsLeaveRoom",
			"as many after 10,000 rounds of everything as before",
			"a goroutine for each connection that stays: 400 more",
		},
		{
			"F41", "SIGTERM within a save or a call",
			"TestStopWithinAnExchangeStillSavesTheLink TestStopWithinARefreshSavesTheRotatedToken TestStopDoesNotWaitForAnAnswerThatDoesNotCome TestKilledWhenever",
			"what Amazon gave is saved, within 5 s",
			"the wait for the answer: ended after 0 s",
		},
		{
			"F42", "upgrade",
			"TestRestartOfTheAgentAsksAmazonNothing TestCodeIsStillGoodAfterAPowerCutBetweenScanAndDrop systemd/boottest.TestDeviceFromInstallationToRemoval",
			"linked: no call to Amazon; between scan and drop: the same QR code, and the code is good",
			"the token in the runtime directory: another token",
		},
		// Displays and programs.
		{
			"F58", "display absent, busy, hanging",
			"display.TestLooseWireIsGivenUpReportedAndTriedAgain display.TestFailedDrawIsRepairedByOpeningAgain cmd/internal/cli.TestMissingConsoleIsWaitedForAndSaidOnce TestReaderThatDoesNotReadIsCutOff TestDisplaysAreForgottenWithTheirConnection",
			"a process of its own: given up, said in the status, tried again after 30 s; one that reads nothing is cut off",
			"the deadline of a draw: nothing is said; the deadline of a write: still written to after 20 s",
		},
		{
			"F59", "programs: slow, garbage, 10,000 connections, those who may not",
			"TestWhoMayDoWhat TestUnitsNameIsBelievedOfRootOnly TestOneUserCannotTakeAllPlaces TestGroupOfTheSocketsFileDecides TestGarbageAndSlownessHarmNobody TestReaderThatDoesNotReadIsCutOff TestForgottenConnectionsLeaveRoom TestAThousandClientsInAHangingRefreshGetTheCachedToken FuzzSocket",
			"182 of 182 of user, request and socket; 32 connections of a user, 5 s for a head, 2 s for a write",
			"the user: a stranger reads; SO_PEERGROUPS: a member is denied; root for a unit's name: a made-up one in the log; the limit: connection 33 is served; the head's deadline: 20 s",
		},
	}
}
