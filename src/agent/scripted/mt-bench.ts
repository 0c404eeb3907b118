// MT-Bench: 30 real conversations of two turns, as data. Nothing here was written by us, and nothing was changed.
//
// Source: MT-Bench by LMSYS, questions 101 to 130 (reasoning, mathematics, coding) with the reference answers that
// gpt-4 gave, as published in https://github.com/lm-sys/FastChat under fastchat/llm_judge/data/mt_bench.
// Licence: Apache-2.0, as that repository.

export interface MtBenchConversation {
  /** The question's number in MT-Bench. */
  question: number;
  category: string;
  turns: readonly { question: string; answer: string }[];
}

export const MT_BENCH: readonly MtBenchConversation[] = [
  {
    question: 101,
    category: 'reasoning',
    turns: [
      {
        question:
          "Imagine you are participating in a race with a group of people. If you have just overtaken the second person, what's your current position? Where is the person you just overtook?",
        answer:
          'If you have just overtaken the second person, your current position is now second place. The person you just overtook is now in third place.',
      },
      {
        question:
          'If the "second person" is changed to "last person" in the above question, what would the answer be?',
        answer:
          'If you have just overtaken the last person, it means you were previously the second to last person in the race. After overtaking the last person, your position remains the same, which is second to last. The person you just overtook is now in the last place.',
      },
    ],
  },
  {
    question: 102,
    category: 'reasoning',
    turns: [
      {
        question:
          'You can see a beautiful red house to your left and a hypnotic greenhouse to your right, an attractive heated pink place in the front. So, where is the White House?',
        answer:
          'The White House is located at 1600 Pennsylvania Avenue NW in Washington, D.C. It is the official residence and workplace of the President of the United States.',
      },
      {
        question:
          'Does the original question contain any clues to definitively determine the location of the White House?',
        answer:
          "No, the original question does not contain any clues to definitively determine the location of the White House. It only describes a red house, a greenhouse, and a heated pink place, which are unrelated to the White House's location.",
      },
    ],
  },
  {
    question: 103,
    category: 'reasoning',
    turns: [
      {
        question:
          'Thomas is very healthy, but he has to go to the hospital every day. What could be the reasons?',
        answer:
          "There could be several reasons for Thomas to visit the hospital daily despite being healthy. Some possible reasons include:\n\n1. Work: Thomas might be working at the hospital as a healthcare professional, administrative staff, or in another capacity.\n\n2. Caregiver: Thomas could be a caregiver for a family member or friend who requires daily medical attention or support.\n\n3. Volunteer: Thomas might be volunteering at the hospital to help patients, assist staff, or participate in community outreach programs.\n\n4. Medical research: Thomas could be participating in a clinical trial or medical research study that requires daily visits to the hospital.\n\n5. Therapy or rehabilitation: Thomas might be attending daily therapy or rehabilitation sessions for a previous injury or condition, even if he is currently in good health.\n\n6. Preventive care: Thomas could be receiving daily preventive care treatments, such as dialysis or intravenous medication, to maintain his health.\n\n7. Medical training: Thomas might be a medical student or resident who needs to attend daily classes, rounds, or training sessions at the hospital.\n\nRemember, these are just possible reasons, and the actual reason for Thomas's daily hospital visits could be different or a combination of these factors.",
      },
      {
        question: 'Can you explain why the above question is interesting?',
        answer:
          "The question about Thomas visiting the hospital daily despite being healthy is interesting for several reasons:\n\n1. Contradictory nature: The question presents a seemingly contradictory situation, as people generally associate hospital visits with illness or injury. This piques curiosity and encourages deeper thinking to understand the reasons behind the scenario.\n\n2. Diverse possibilities: The question opens up a wide range of possible explanations, which can lead to interesting discussions and insights into various aspects of healthcare, work, and personal life.\n\n3. Real-life relevance: The question is relatable and relevant to real-life situations, as many people might know someone who frequently visits a hospital for various reasons. This makes the question engaging and thought-provoking.\n\n4. Encourages empathy: By exploring the reasons behind Thomas's daily hospital visits, the question encourages empathy and understanding of the challenges and responsibilities that people might face in their lives.\n\n5. Highlights different roles: The question brings attention to the various roles people play in a hospital setting, such as healthcare professionals, caregivers, volunteers, and patients. This can lead to a greater appreciation of the diverse contributions made by individuals in the healthcare system.\n\nOverall, the question is interesting because it challenges assumptions, encourages critical thinking, and promotes empathy and understanding of different perspectives.",
      },
    ],
  },
  {
    question: 104,
    category: 'reasoning',
    turns: [
      {
        question: 'David has three sisters. Each of them has one brother. How many brothers does David have?',
        answer: 'David has only one brother.',
      },
      {
        question:
          'If we change the previous question and assume that each sister of David has two brothers, how many brothers would David have?',
        answer: "If each of David's sisters has two brothers, then David would have two brothers.",
      },
    ],
  },
  {
    question: 105,
    category: 'reasoning',
    turns: [
      {
        question:
          "Read the below passage carefully and answer the questions with an explanation:\nAt a small company, parking spaces are reserved for the top executives: CEO, president, vice president, secretary, and treasurer with the spaces lined up in that order. The parking lot guard can tell at a glance if the cars are parked correctly by looking at the color of the cars. The cars are yellow, green, purple, red, and blue, and the executives' names are Alice, Bert, Cheryl, David, and Enid.\n* The car in the first space is red.\n* A blue car is parked between the red car and the green car.\n* The car in the last space is purple.\n* The secretary drives a yellow car.\n* Alice's car is parked next to David's.\n* Enid drives a green car.\n* Bert's car is parked between Cheryl's and Enid's.\n* David's car is parked in the last space.\nQuestion: What is the name of the secretary?",
        answer:
          "The name of the secretary is Cheryl.\n\nExplanation:\n1. The car in the first space is red (CEO).\n2. A blue car is parked between the red car and the green car.\n3. The car in the last space is purple (David).\n4. The secretary drives a yellow car.\n5. Alice's car is parked next to David's.\n6. Enid drives a green car.\n7. Bert's car is parked between Cheryl's and Enid's.\n\nFrom the information given, we can deduce the following:\n- David's car is purple and parked in the last space (treasurer).\n- Since Alice's car is parked next to David's, her car is blue and she is the vice president.\n- Enid drives a green car, so she is the president.\n- Bert's car is parked between Cheryl's and Enid's, so his car is red and he is the CEO.\n- Cheryl is the only executive left, so she drives the yellow car and is the secretary.",
      },
      {
        question: 'List car colors in order from last to first.',
        answer: 'The car colors in order from last to first are: purple, yellow, green, blue, and red.',
      },
    ],
  },
  {
    question: 106,
    category: 'reasoning',
    turns: [
      {
        question:
          'Each problem consists of three statements. Based on the first two statements, the third statement may be true, false, or uncertain.\n1. Oranges cost more than apples.\n2. Oranges cost less than bananas.\n3. Bananas cost more than apples and bananas cost more than orange.\nIf the first two statements are true, then the third statement is',
        answer: 'true.',
      },
      {
        question:
          'If the third statement is true. Is the first statement true, false, or uncertain? Please explain.',
        answer:
          "If the third statement is true, then bananas cost more than apples and bananas cost more than oranges. This means that oranges could still cost more than apples, making the first statement true. However, it's also possible that oranges and apples have the same cost, which would make the first statement false. Therefore, based on the third statement alone, the first statement is uncertain.",
      },
    ],
  },
  {
    question: 107,
    category: 'reasoning',
    turns: [
      {
        question: 'A is the father of B. B is the father of C. What is the relationship between A and C?',
        answer: 'A is the grandfather of C.',
      },
      {
        question:
          "Building on the previous question, if C is the son of D, D is the father of E, E is the son of X, and X is the father of Y, and Y is the father of Z, what's the relationship between A and Z in terms of generations and also the familial relationship in words?",
        answer:
          "Let's break down the relationships step by step:\n\n1. A is the father of B (A is B's father)\n2. B is the father of C (B is C's father)\n3. C is the son of D (C is D's son)\n4. D is the father of E (D is E's father)\n5. E is the son of X (E is X's son)\n6. X is the father of Y (X is Y's father)\n7. Y is the father of Z (Y is Z's father)\n\nNow, let's analyze the relationships:\n\n1. A is B's father, so A is one generation above B.\n2. B is C's father, so B is one generation above C.\n3. C is D's son, so C and D are in the same generation.\n4. D is E's father, so D is one generation above E.\n5. E is X's son, so E and X are in the same generation.\n6. X is Y's father, so X is one generation above Y.\n7. Y is Z's father, so Y is one generation above Z.\n\nNow, let's count the generations between A and Z:\n\n1. A is one generation above B.\n2. B is one generation above C.\n3. C is in the same generation as D.\n4. D is one generation above E.\n5. E is in the same generation as X.\n6. X is one generation above Y.\n7. Y is one generation above Z.\n\nSo, A is four generations above Z.\n\nIn terms of familial relationship, A is the great-great-grandfather of Z.",
      },
    ],
  },
  {
    question: 108,
    category: 'reasoning',
    turns: [
      {
        question: 'Which word does not belong with the others?\ntyre, steering wheel, car, engine',
        answer:
          'Car does not belong with the others, as tyre, steering wheel, and engine are all parts of a car, while car is the whole vehicle.',
      },
      {
        question: 'Could you replace it with a word that belongs with the others?',
        answer:
          'Sure, I can replace "car" with "brake pedal." Now the list includes tyre, steering wheel, engine, and brake pedal, which are all parts of a car.',
      },
    ],
  },
  {
    question: 109,
    category: 'reasoning',
    turns: [
      {
        question:
          'One morning after sunrise, Suresh was standing facing a pole. The shadow of the pole fell exactly to his right. Can you tell me the direction towards which the shadow was pointing - east, south, west, or north? Explain your reasoning steps.',
        answer:
          "The shadow of the pole fell exactly to Suresh's right. Since the sun rises in the east, it means that Suresh was facing north. Therefore, the shadow of the pole was pointing towards the west. Here's the reasoning:\n\n1. Sun rises in the east.\n2. Shadows are cast in the opposite direction of the sunlight.\n3. Suresh was facing the pole, and the shadow was to his right.\n4. Since the sun was in the east, Suresh must have been facing north for the shadow to be on his right side.\n5. As a result, the shadow was pointing towards the west.",
      },
      {
        question: 'To which direction was Suresh facing? How do you solve this?',
        answer:
          "Suresh was facing north. Here's how we solve this:\n\n1. Sun rises in the east.\n2. Shadows are cast in the opposite direction of the sunlight.\n3. Suresh was facing the pole, and the shadow was to his right.\n4. Since the sun was in the east, Suresh must have been facing north for the shadow to be on his right side.\n\nSo, Suresh was facing the north direction.",
      },
    ],
  },
  {
    question: 110,
    category: 'reasoning',
    turns: [
      {
        question:
          'Parents have complained to the principal about bullying during recess. The principal wants to quickly resolve this, instructing recess aides to be vigilant. Which situation should the aides report to the principal?\na) An unengaged girl is sitting alone on a bench, engrossed in a book and showing no interaction with her peers.\nb) Two boys engaged in a one-on-one basketball game are involved in a heated argument regarding the last scored basket.\nc) A group of four girls has surrounded another girl and appears to have taken possession of her backpack.\nd) Three boys are huddled over a handheld video game, which is against the rules and not permitted on school grounds.',
        answer:
          'c) A group of four girls has surrounded another girl and appears to have taken possession of her backpack.',
      },
      {
        question:
          'If the aides confront the group of girls from situation (c) and they deny bullying, stating that they were merely playing a game, what specific evidence should the aides look for to determine if this is a likely truth or a cover-up for bullying?',
        answer:
          'To determine if the girls are telling the truth or covering up bullying, the aides should look for the following evidence:\n\n1. The victim\'s body language and facial expressions: If the girl appears upset, scared, or uncomfortable, it may indicate that she is being bullied.\n\n2. The tone of the conversation: If the girls are speaking in a mocking, sarcastic, or aggressive tone, it could be a sign of bullying.\n\n3. The history of the individuals involved: If any of the girls have a history of bullying or if the victim has been targeted before, it may be more likely that bullying is occurring.\n\n4. The reactions of other students nearby: If other students appear to be uncomfortable or are trying to avoid the situation, it could be an indication that something is wrong.\n\n5. The nature of the "game": If the game involves teasing, humiliation, or exclusion, it may be a cover-up for bullying.\n\n6. The willingness of the girls to return the backpack: If they are reluctant to give the backpack back or continue to taunt the victim, it could be a sign of bullying.\n\n7. The response of the group when confronted: If the girls become defensive, dismissive, or aggressive when questioned, it may indicate that they are trying to hide their actions.',
      },
    ],
  },
  {
    question: 111,
    category: 'math',
    turns: [
      {
        question:
          'The vertices of a triangle are at points (0, 0), (-1, 1), and (3, 3). What is the area of the triangle?',
        answer:
          'To find the area of the triangle, we can use the formula for the area of a triangle with coordinates A(x1, y1), B(x2, y2), and C(x3, y3):\n\nArea = (1/2) * |(x1(y2 - y3) + x2(y3 - y1) + x3(y1 - y2))|\n\nIn this case, the coordinates are A(0, 0), B(-1, 1), and C(3, 3). Plugging these values into the formula, we get:\n\nArea = (1/2) * |(0(1 - 3) + (-1)(3 - 0) + 3(0 - 1))|\n\nArea = (1/2) * |(-0 + 3 - 3)|\n\nArea = (1/2) * |0|\n\nArea = 0\n\nThe area of the triangle is 0. This means that the three points are collinear, and there is no triangle formed by these points.',
      },
      {
        question: "What's area of the circle circumscribing the triangle?",
        answer:
          'Since the three points are collinear and do not form a triangle, there is no circumscribed circle for this set of points. A circumscribed circle can only be formed around a triangle with non-collinear points.',
      },
    ],
  },
  {
    question: 112,
    category: 'math',
    turns: [
      {
        question:
          "A tech startup invests $8000 in software development in the first year, and then invests half of that amount in software development in the second year.\nWhat's the total amount the startup invested in software development over the two years?",
        answer:
          'In the first year, the startup invested $8000. In the second year, they invested half of that amount, which is $8000 / 2 = $4000. The total amount invested in software development over the two years is $8000 + $4000 = $12000.',
      },
      {
        question:
          "If the startup maintains the same strategy for the third year, investing half of the previous year's amount into software development, how much will they invest in the third year?",
        answer:
          "In the third year, the startup will invest half of the second year's amount, which is $4000 / 2 = $2000.",
      },
    ],
  },
  {
    question: 113,
    category: 'math',
    turns: [
      {
        question:
          "In a survey conducted at a local high school, preferences for a new school color were measured: 58% of students liked the color blue, 45% preferred green, and 22% liked both colors. If we randomly pick a student from the school, what's the probability that they would like neither blue nor green?",
        answer:
          'To find the probability that a student likes neither blue nor green, we can use the formula for the probability of the union of two events:\n\nP(A ∪ B) = P(A) + P(B) - P(A ∩ B)\n\nIn this case, A represents the event of liking blue, B represents the event of liking green, and A ∩ B represents the event of liking both colors.\n\nP(A) = 58% (probability of liking blue)\nP(B) = 45% (probability of liking green)\nP(A ∩ B) = 22% (probability of liking both colors)\n\nNow, we can plug these values into the formula:\n\nP(A ∪ B) = 58% + 45% - 22% = 81%\n\nThis gives us the probability that a student likes either blue or green. To find the probability that a student likes neither color, we can subtract this value from 100%:\n\nP(neither blue nor green) = 100% - 81% = 19%\n\nSo, the probability that a randomly picked student would like neither blue nor green is 19%.',
      },
      {
        question:
          "If we select a student liked green, what's the probability that he or she would dislike both colors?",
        answer:
          'If we select a student who likes green, we want to find the probability that they dislike blue. We know that 22% of students like both colors (blue and green). Since 45% of students like green, we can calculate the probability that a student who likes green dislikes blue as follows:\n\nP(dislikes blue | likes green) = (P(likes green) - P(likes both)) / P(likes green)\n\nP(dislikes blue | likes green) = (45% - 22%) / 45% = 23% / 45% ≈ 0.5111\n\nSo, the probability that a student who likes green would dislike blue is approximately 51.11%.',
      },
    ],
  },
  {
    question: 114,
    category: 'math',
    turns: [
      {
        question:
          'When rolling two dice, what is the probability that you roll a total number that is at least 3?',
        answer:
          'When rolling two dice, there are a total of 6 sides on each die, which means there are 6 x 6 = 36 possible outcomes. To find the probability of rolling a total number that is at least 3, we need to find the number of outcomes that result in a sum of 3 or more and divide that by the total number of outcomes.\n\nThe only sums that are less than 3 are 1 (rolling a 1 on both dice) and 2 (rolling a 1 on one die and a 2 on the other, or vice versa). There are 2 outcomes that result in a sum of 2: (1,1) and (1,2), (2,1).\n\nSo, there are 36 total outcomes and 2 outcomes that result in a sum less than 3. Therefore, there are 36 - 2 = 34 outcomes that result in a sum of 3 or more.\n\nThe probability of rolling a total number that is at least 3 is the number of favorable outcomes (34) divided by the total number of outcomes (36):\n\nProbability = 34/36 = 17/18 ≈ 0.944\n\nSo, the probability of rolling a total number that is at least 3 is approximately 0.944 or 94.4%.',
      },
      {
        question:
          "Continue from previous question. What's the probability that you roll a number which is even or at least 3?",
        answer:
          'We already know that the probability of rolling a total number that is at least 3 is 34/36. Now, we need to find the probability of rolling an even number and then combine these probabilities using the principle of inclusion and exclusion.\n\nAn even number can be obtained by rolling (1,1), (1,3), (1,5), (2,2), (2,4), (2,6), (3,1), (3,3), (3,5), (4,2), (4,4), (4,6), (5,1), (5,3), (5,5), (6,2), (6,4), and (6,6). There are 18 outcomes that result in an even sum.\n\nThe probability of rolling an even number is the number of favorable outcomes (18) divided by the total number of outcomes (36):\n\nProbability (even) = 18/36 = 1/2 = 0.5\n\nNow, we need to find the probability of rolling a number that is both even and at least 3. The outcomes that meet both criteria are (2,2), (2,4), (2,6), (4,2), (4,4), (4,6), (6,2), (6,4), and (6,6). There are 9 such outcomes.\n\nThe probability of rolling a number that is both even and at least 3 is the number of favorable outcomes (9) divided by the total number of outcomes (36):\n\nProbability (even and at least 3) = 9/36 = 1/4 = 0.25\n\nNow, we can use the principle of inclusion and exclusion to find the probability of rolling a number that is either even or at least 3:\n\nProbability (even or at least 3) = Probability (even) + Probability (at least 3) - Probability (even and at least 3)\n\nProbability (even or at least 3) = 0.5 + 0.944 - 0.25 = 1.194 - 0.25 = 0.944\n\nSo, the probability of rolling a number that is either even or at least 3 is 0.944 or 94.4%.',
      },
    ],
  },
  {
    question: 115,
    category: 'math',
    turns: [
      {
        question:
          'Some people got on a bus at the terminal. At the first bus stop, half of the people got down and 4 more people got in. Then at the second bus stop, 6 people got down and 8 more got in. If there were a total of 25 people heading to the third stop, how many people got on the bus at the terminal?',
        answer:
          "Let's denote the number of people who got on the bus at the terminal as x.\n\nAt the first bus stop, half of the people got down, so there were x/2 people left on the bus. Then, 4 more people got in, making the total number of people on the bus x/2 + 4.\n\nAt the second bus stop, 6 people got down, so there were (x/2 + 4) - 6 people left on the bus. Then, 8 more people got in, making the total number of people on the bus (x/2 + 4) - 6 + 8.\n\nWe know that there were 25 people heading to the third stop, so we can set up the following equation:\n\n(x/2 + 4) - 6 + 8 = 25\n\nNow, let's solve for x:\n\nx/2 + 4 - 6 + 8 = 25\nx/2 + 6 = 25\nx/2 = 19\nx = 38\n\nSo, 38 people got on the bus at the terminal.",
      },
      {
        question: 'If the ticket is $2 per person, how much is the total money earned by the bus?',
        answer:
          'To find the total money earned by the bus, we need to consider the number of people who got on the bus at the terminal and at each bus stop.\n\nAt the terminal, 38 people got on the bus.\nAt the first bus stop, 4 people got on the bus.\nAt the second bus stop, 8 people got on the bus.\n\nSo, the total number of people who got on the bus is 38 + 4 + 8 = 50 people.\n\nSince the ticket price is $2 per person, the total money earned by the bus is 50 people * $2 = $100.',
      },
    ],
  },
  {
    question: 116,
    category: 'math',
    turns: [
      {
        question: 'x+y = 4z, x*y = 4z^2, express x-y in z',
        answer:
          "We have two equations:\n\n1) x + y = 4z\n2) xy = 4z^2\n\nFirst, let's solve equation 1 for x:\n\nx = 4z - y\n\nNow, substitute this expression for x in equation 2:\n\n(4z - y)y = 4z^2\n\nExpand the equation:\n\n4zy - y^2 = 4z^2\n\nNow, let's solve this equation for y:\n\ny^2 - 4zy + 4z^2 = 0\n\nThis is a quadratic equation in y. We can use the quadratic formula to solve for y:\n\ny = (4z ± √((4z)^2 - 4(4z^2))) / 2\n\ny = (4z ± √(16z^2 - 16z^2)) / 2\n\ny = (4z ± 0) / 2\n\ny = 2z\n\nNow that we have y in terms of z, we can substitute it back into the expression for x:\n\nx = 4z - y\nx = 4z - 2z\nx = 2z\n\nFinally, we can express x - y in terms of z:\n\nx - y = 2z - 2z = 0",
      },
      {
        question: 'Express z-x in y',
        answer:
          "We have the following equations:\n\n1) x + y = 4z\n2) xy = 4z^2\n\nFrom the previous solution, we found that:\n\nx = 2z\ny = 2z\n\nNow, let's express z - x in terms of y. Since x = 2z, we can write z - x as:\n\nz - x = z - 2z = -z\n\nNow, we can use the equation y = 2z to express -z in terms of y:\n\n- z = - (y / 2)\n\nSo, z - x = - (y / 2).",
      },
    ],
  },
  {
    question: 117,
    category: 'math',
    turns: [
      {
        question: 'How many integers are in the solution of the inequality |x + 5| < 10',
        answer:
          "To solve the inequality |x + 5| < 10, we can break it down into two separate inequalities:\n\n1) x + 5 < 10\n2) -(x + 5) < 10\n\nNow, let's solve each inequality:\n\n1) x + 5 < 10\nSubtract 5 from both sides:\nx < 5\n\n2) -(x + 5) < 10\nDistribute the negative sign:\n-x - 5 < 10\nAdd 5 to both sides:\n-x < 15\nMultiply both sides by -1 (and remember to flip the inequality sign):\nx > -15\n\nNow, we can combine the two inequalities:\n-15 < x < 5\n\nTo find the number of integers in this range, we can count them:\n-14, -13, -12, -11, -10, -9, -8, -7, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3, 4\n\nThere are 19 integers in the solution of the inequality |x + 5| < 10.",
      },
      {
        question: 'What about |x + 10| < 5',
        answer:
          "To solve the inequality |x + 10| < 5, we can break it down into two separate inequalities:\n\n1) x + 10 < 5\n2) -(x + 10) < 5\n\nNow, let's solve each inequality:\n\n1) x + 10 < 5\nSubtract 10 from both sides:\nx < -5\n\n2) -(x + 10) < 5\nDistribute the negative sign:\n-x - 10 < 5\nMultiply both sides by -1 (and remember to flip the inequality sign):\nx + 10 > -5\nSubtract 10 from both sides:\nx > -15\n\nNow, we can combine the two inequalities:\n-15 < x < -5\n\nTo find the number of integers in this range, we can count them:\n-14, -13, -12, -11, -10, -9, -8, -7, -6\n\nThere are 9 integers in the solution of the inequality |x + 10| < 5.",
      },
    ],
  },
  {
    question: 118,
    category: 'math',
    turns: [
      {
        question:
          'When a number is divided by 10, the remainder is 4. What is the remainder when twice the number is divided by 4?',
        answer:
          "Let the number be x. We are given that x % 10 = 4. We need to find the remainder when 2x is divided by 4, i.e., (2x) % 4.\n\nSince x % 10 = 4, we can write x as x = 10n + 4 for some integer n.\n\nNow, let's find 2x:\n2x = 2(10n + 4) = 20n + 8\n\nNow, let's find the remainder when 2x is divided by 4:\n(20n + 8) % 4 = (20n % 4) + (8 % 4) = 0 + 0 = 0\n\nSo, the remainder when twice the number is divided by 4 is 0.",
      },
      {
        question: 'What about when twice the number is divided by 5?',
        answer:
          'We already found that 2x = 20n + 8. Now, we need to find the remainder when 2x is divided by 5, i.e., (2x) % 5.\n\n(20n + 8) % 5 = (20n % 5) + (8 % 5) = 0 + 3 = 3\n\nSo, the remainder when twice the number is divided by 5 is 3.',
      },
    ],
  },
  {
    question: 119,
    category: 'math',
    turns: [
      {
        question:
          'Benjamin went to a bookstore and purchased a variety of books. He bought 5 copies of a sci-fi novel, each priced at $20, 3 copies of a history book priced at $30 each, and 2 copies of a philosophy book for $45 each.\nWhat was the total cost of his purchases?',
        answer:
          "To find the total cost of Benjamin's purchases, we need to calculate the cost of each type of book and then add them together.\n\nFor the sci-fi novels: 5 copies * $20 each = $100\nFor the history books: 3 copies * $30 each = $90\nFor the philosophy books: 2 copies * $45 each = $90\n\nNow, we add the costs together: $100 (sci-fi) + $90 (history) + $90 (philosophy) = $280\n\nThe total cost of Benjamin's purchases was $280.",
      },
      {
        question:
          'Suppose Benjamin decides to sell each of these books at a 25% markup from the price he purchased them. What would be his total revenue if he sold all the books he bought?',
        answer:
          "To find the total revenue, we first need to calculate the selling price of each type of book with a 25% markup and then multiply it by the number of copies sold.\n\nFor the sci-fi novels: $20 * 1.25 (25% markup) = $25 each\nFor the history books: $30 * 1.25 (25% markup) = $37.50 each\nFor the philosophy books: $45 * 1.25 (25% markup) = $56.25 each\n\nNow, we calculate the revenue for each type of book:\nSci-fi novels: 5 copies * $25 each = $125\nHistory books: 3 copies * $37.50 each = $112.50\nPhilosophy books: 2 copies * $56.25 each = $112.50\n\nFinally, we add the revenues together: $125 (sci-fi) + $112.50 (history) + $112.50 (philosophy) = $350\n\nBenjamin's total revenue if he sold all the books at a 25% markup would be $350.",
      },
    ],
  },
  {
    question: 120,
    category: 'math',
    turns: [
      {
        question: 'Given that f(x) = 4x^3 - 9x - 14, find the value of f(2).',
        answer:
          'To find the value of f(2), substitute x = 2 into the function f(x) = 4x^3 - 9x - 14.\n\nf(2) = 4(2)^3 - 9(2) - 14\nf(2) = 4(8) - 18 - 14\nf(2) = 32 - 18 - 14\nf(2) = 14 - 14\nf(2) = 0\n\nSo, the value of f(2) is 0.',
      },
      {
        question: 'Find x such that f(x) = 0.',
        answer:
          "To find the value of x such that f(x) = 0, we need to solve the equation 4x^3 - 9x - 14 = 0. This is a cubic equation, and finding an exact solution can be quite difficult. However, we can use numerical methods to approximate the solution.\n\nOne such method is the Newton-Raphson method, which iteratively refines an initial guess for the root. The formula for the Newton-Raphson method is:\n\nx_new = x_old - f(x_old) / f'(x_old)\n\nwhere f'(x) is the derivative of f(x) with respect to x. First, let's find the derivative of f(x):\n\nf(x) = 4x^3 - 9x - 14\nf'(x) = 12x^2 - 9\n\nNow, let's apply the Newton-Raphson method with an initial guess of x = 1:\n\n1. x_new = 1 - (4(1)^3 - 9(1) - 14) / (12(1)^2 - 9)\n   x_new = 1 - (-9) / 3\n   x_new = 1 + 3\n   x_new = 4\n\n2. x_new = 4 - (4(4)^3 - 9(4) - 14) / (12(4)^2 - 9)\n   x_new = 4 - (256 - 36 - 14) / (192 - 9)\n   x_new = 4 - (206) / (183)\n   x_new ≈ 2.876\n\n3. x_new ≈ 2.876 - (4(2.876)^3 - 9(2.876) - 14) / (12(2.876)^2 - 9)\n   x_new ≈ 2.876 - (99.98) / (99.99)\n   x_new ≈ 1.876\n\nWe can continue this process until the change in x_new is very small, indicating that we have found an approximate root. After several iterations, we find that:\n\nx ≈ 1.65\n\nSo, the approximate value of x such that f(x) = 0 is x ≈ 1.65. Note that this is an approximation, and there may be other roots as well.",
      },
    ],
  },
  {
    question: 121,
    category: 'coding',
    turns: [
      {
        question:
          'Develop a Python program that reads all the text files under a directory and returns top-5 words with the most number of occurrences.',
        answer:
          'Here\'s a Python program that reads all the text files under a directory and returns the top-5 words with the most number of occurrences:\n\n```python\nimport os\nimport re\nfrom collections import Counter\n\ndef get_files_in_directory(directory, extension=".txt"):\n    return [os.path.join(directory, f) for f in os.listdir(directory) if f.endswith(extension)]\n\ndef read_file(file_path):\n    with open(file_path, "r", encoding="utf-8") as file:\n        return file.read()\n\ndef count_words(text):\n    words = re.findall(r\'\\w+\', text.lower())\n    return Counter(words)\n\ndef main():\n    directory = input("Enter the directory path: ")\n    text_files = get_files_in_directory(directory)\n\n    word_counter = Counter()\n    for file_path in text_files:\n        text = read_file(file_path)\n        word_counter += count_words(text)\n\n    top_5_words = word_counter.most_common(5)\n\n    print("\\nTop 5 words with the most number of occurrences:")\n    for word, count in top_5_words:\n        print(f"{word}: {count}")\n\nif __name__ == "__main__":\n    main()\n```\n\nTo use the program, simply run it and enter the directory path when prompted. The program will then display the top-5 words with the most number of occurrences in the text files under the specified directory.',
      },
      {
        question: 'Can you parallelize it?',
        answer:
          'Yes, you can parallelize the program using Python\'s `concurrent.futures` module. Here\'s the updated version of the program that processes the text files in parallel:\n\n```python\nimport os\nimport re\nfrom collections import Counter\nfrom concurrent.futures import ProcessPoolExecutor\n\ndef get_files_in_directory(directory, extension=".txt"):\n    return [os.path.join(directory, f) for f in os.listdir(directory) if f.endswith(extension)]\n\ndef read_file(file_path):\n    with open(file_path, "r", encoding="utf-8") as file:\n        return file.read()\n\ndef count_words(text):\n    words = re.findall(r\'\\w+\', text.lower())\n    return Counter(words)\n\ndef process_file(file_path):\n    text = read_file(file_path)\n    return count_words(text)\n\ndef main():\n    directory = input("Enter the directory path: ")\n    text_files = get_files_in_directory(directory)\n\n    word_counter = Counter()\n\n    with ProcessPoolExecutor() as executor:\n        results = executor.map(process_file, text_files)\n\n    for result in results:\n        word_counter += result\n\n    top_5_words = word_counter.most_common(5)\n\n    print("\\nTop 5 words with the most number of occurrences:")\n    for word, count in top_5_words:\n        print(f"{word}: {count}")\n\nif __name__ == "__main__":\n    main()\n```\n\nIn this version of the program, we use a `ProcessPoolExecutor` to process the text files in parallel. The `process_file` function reads and counts the words in a single file, and the results are combined in the main function using the `+=` operator on the `Counter` objects.',
      },
    ],
  },
  {
    question: 122,
    category: 'coding',
    turns: [
      {
        question: 'Write a C++ program to find the nth Fibonacci number using recursion.',
        answer:
          'Here\'s a C++ program to find the nth Fibonacci number using recursion:\n\n```cpp\n#include <iostream>\n\n// Function to find the nth Fibonacci number using recursion\nint fibonacci(int n) {\n    if (n <= 1) {\n        return n;\n    } else {\n        return fibonacci(n - 1) + fibonacci(n - 2);\n    }\n}\n\nint main() {\n    int n;\n\n    std::cout << "Enter the value of n: ";\n    std::cin >> n;\n\n    int result = fibonacci(n);\n    std::cout << "The " << n << "th Fibonacci number is: " << result << std::endl;\n\n    return 0;\n}\n```\n\nTo compile and run the program, save it to a file named `fibonacci_recursion.cpp` and then use the following commands:\n\n```sh\ng++ -o fibonacci_recursion fibonacci_recursion.cpp\n./fibonacci_recursion\n```\n\nEnter the value of `n` when prompted, and the program will output the nth Fibonacci number. Note that this recursive approach can be slow for large values of `n` due to the repeated calculations. A more efficient approach would be to use dynamic programming or memoization.',
      },
      {
        question:
          'Now we define a sequence of numbers in which each number is the sum of the three preceding ones. The first three numbers are 0, -1, -1. Write a program to find the nth number.',
        answer:
          'Here\'s a C++ program to find the nth number in the sequence where each number is the sum of the three preceding ones, with the first three numbers being 0, -1, and -1:\n\n```cpp\n#include <iostream>\n#include <vector>\n\n// Function to find the nth number in the sequence\nint find_nth_number(int n) {\n    std::vector<int> sequence = {0, -1, -1};\n\n    for (int i = 3; i < n; ++i) {\n        sequence.push_back(sequence[i - 1] + sequence[i - 2] + sequence[i - 3]);\n    }\n\n    return sequence[n - 1];\n}\n\nint main() {\n    int n;\n\n    std::cout << "Enter the value of n: ";\n    std::cin >> n;\n\n    int result = find_nth_number(n);\n    std::cout << "The " << n << "th number in the sequence is: " << result << std::endl;\n\n    return 0;\n}\n```\n\nTo compile and run the program, save it to a file named `sequence.cpp` and then use the following commands:\n\n```sh\ng++ -o sequence sequence.cpp\n./sequence\n```\n\nEnter the value of `n` when prompted, and the program will output the nth number in the sequence. This approach uses a loop and a vector to store the sequence, making it more efficient than a recursive solution.',
      },
    ],
  },
  {
    question: 123,
    category: 'coding',
    turns: [
      {
        question:
          'Write a simple website in HTML. When a user clicks the button, it shows a random joke from a list of 4 jokes.',
        answer:
          '<!DOCTYPE html>\n<html lang="en">\n<head>\n    <meta charset="UTF-8">\n    <meta name="viewport" content="width=device-width, initial-scale=1.0">\n    <title>Random Joke Generator</title>\n    <style>\n        body {\n            font-family: Arial, sans-serif;\n            text-align: center;\n            background-color: #f0f0f0;\n        }\n        button {\n            font-size: 20px;\n            padding: 10px 20px;\n            cursor: pointer;\n        }\n    </style>\n    <script>\n        function showRandomJoke() {\n            const jokes = [\n                "Why don\'t scientists trust atoms? Because they make up everything!",\n                "Why did the chicken go to the seance? To get to the other side.",\n                "Why don\'t some couples go to the gym? Because some relationships don\'t work out.",\n                "Did you hear about the mathematician who\'s afraid of negative numbers? He\'ll stop at nothing to avoid them!"\n            ];\n\n            const randomIndex = Math.floor(Math.random() * jokes.length);\n            const randomJoke = jokes[randomIndex];\n            document.getElementById("jokeDisplay").innerHTML = randomJoke;\n        }\n    </script>\n</head>\n<body>\n    <h1>Random Joke Generator</h1>\n    <button onclick="showRandomJoke()">Show me a joke!</button>\n    <p id="jokeDisplay"></p>\n</body>\n</html>',
      },
      {
        question: 'How to use CSS to change the color of jokes to red?',
        answer:
          'You can use CSS to change the color of the jokes to red by adding a style rule for the paragraph element where the joke is displayed. In the `<style>` section of the HTML code, add a rule for the `#jokeDisplay` element to set the `color` property to red:\n\n```html\n<!DOCTYPE html>\n<html lang="en">\n<head>\n    <meta charset="UTF-8">\n    <meta name="viewport" content="width=device-width, initial-scale=1.0">\n    <title>Random Joke Generator</title>\n    <style>\n        body {\n            font-family: Arial, sans-serif;\n            text-align: center;\n            background-color: #f0f0f0;\n        }\n        button {\n            font-size: 20px;\n            padding: 10px 20px;\n            cursor: pointer;\n        }\n        /* Add this rule to change the joke color to red */\n        #jokeDisplay {\n            color: red;\n        }\n    </style>\n    <script>\n        function showRandomJoke() {\n            const jokes = [\n                "Why don\'t scientists trust atoms? Because they make up everything!",\n                "Why did the chicken go to the seance? To get to the other side.",\n                "Why don\'t some couples go to the gym? Because some relationships don\'t work out.",\n                "Did you hear about the mathematician who\'s afraid of negative numbers? He\'ll stop at nothing to avoid them!"\n            ];\n\n            const randomIndex = Math.floor(Math.random() * jokes.length);\n            const randomJoke = jokes[randomIndex];\n            document.getElementById("jokeDisplay").innerHTML = randomJoke;\n        }\n    </script>\n</head>\n<body>\n    <h1>Random Joke Generator</h1>\n    <button onclick="showRandomJoke()">Show me a joke!</button>\n    <p id="jokeDisplay"></p>\n</body>\n</html>\n```\n\nNow, when a joke is displayed, its text color will be red.',
      },
    ],
  },
  {
    question: 124,
    category: 'coding',
    turns: [
      {
        question:
          'Here is a Python function to find the length of the longest common subsequence of two input strings. Can you identify any bug in this function?\n\n```\ndef longest_common_subsequence_length(str1, str2):\n    m = len(str1)\n    n = len(str2)\n\n    dp = [[0] * (n + 1) for _ in range(m + 1)]\n\n    for i in range(1, m + 1):\n        for j in range(1, n + 1):\n            if str1[i - 1] == str2[j - 1]:\n                dp[i][j] = dp[i - 1][j - 1] + 1\n            else:\n                dp[i][j] = max(dp[i - 1][j], dp[i][j - 1])\n\n    return dp[m][n]\n```',
        answer:
          'The provided function appears to be correct. It uses dynamic programming to find the length of the longest common subsequence of two input strings, `str1` and `str2`. The function initializes a 2D array `dp` of size `(m+1) x (n+1)` where `m` and `n` are the lengths of the input strings. It then iterates through the characters of both strings and fills the `dp` array according to the longest common subsequence found so far. Finally, it returns the value at `dp[m][n]`, which represents the length of the longest common subsequence of the two input strings.',
      },
      {
        question:
          'what about this one?\n\n```\ndef longest_common_subsequence(X , Y): \n    # Find lengths of two strings \n    m = len(X) \n    n = len(Y) \n  \n    # Create a table to store results of sub-problems \n    dp = [[None]*(n+1) for i in range(m+1)] \n  \n    # Fill dp[][] in bottom up manner \n    for i in range(1, m+1): \n        for j in range(1, n+1): \n            if X[i-1] == Y[j-1]: \n                dp[i][j] = dp[i-1][j-1]+1\n            else: \n                dp[i][j] = max(dp[i-1][j], dp[i][j-1]) \n  \n    return dp[m][n]\n```',
        answer:
          'This function is also correct. It is another implementation of the dynamic programming approach to find the length of the longest common subsequence of two input strings, `X` and `Y`. The function initializes a 2D array `dp` of size `(m+1) x (n+1)` where `m` and `n` are the lengths of the input strings. It then iterates through the characters of both strings and fills the `dp` array according to the longest common subsequence found so far. Finally, it returns the value at `dp[m][n]`, which represents the length of the longest common subsequence of the two input strings.\n\nHowever, there is a small issue in this function: the first row and the first column of the `dp` array are not initialized to 0. To fix this, you can add the following lines of code before the nested loops:\n\n```python\nfor i in range(m+1):\n    dp[i][0] = 0\n\nfor j in range(n+1):\n    dp[0][j] = 0\n```\n\nWith these changes, the function should work correctly.',
      },
    ],
  },
  {
    question: 125,
    category: 'coding',
    turns: [
      {
        question:
          'Write a function to find the highest common ancestor (not LCA) of two nodes in a binary tree.',
        answer:
          'To find the highest common ancestor (HCA) of two nodes in a binary tree, you can use a recursive approach. Here\'s a Python function to achieve this:\n\n```python\nclass TreeNode:\n    def __init__(self, value=0, left=None, right=None):\n        self.value = value\n        self.left = left\n        self.right = right\n\ndef find_hca(root, node1, node2):\n    if root is None:\n        return None\n\n    if root.value == node1.value or root.value == node2.value:\n        return root\n\n    left_hca = find_hca(root.left, node1, node2)\n    right_hca = find_hca(root.right, node1, node2)\n\n    if left_hca and right_hca:\n        return root\n\n    return left_hca if left_hca is not None else right_hca\n\n# Example usage:\n# Construct a binary tree\n#         3\n#        / \\\n#       5   1\n#      / \\ / \\\n#     6  2 0  8\n#       / \\\n#      7   4\nroot = TreeNode(3)\nroot.left = TreeNode(5)\nroot.right = TreeNode(1)\nroot.left.left = TreeNode(6)\nroot.left.right = TreeNode(2)\nroot.right.left = TreeNode(0)\nroot.right.right = TreeNode(8)\nroot.left.right.left = TreeNode(7)\nroot.left.right.right = TreeNode(4)\n\nnode1 = root.left.left  # Node with value 6\nnode2 = root.left.right.right  # Node with value 4\n\nhca = find_hca(root, node1, node2)\nprint("Highest Common Ancestor value:", hca.value)  # Output: 5\n```\n\nThis function uses a depth-first search to traverse the binary tree. It checks if the current node is one of the target nodes, and if so, returns the current node. If not, it continues the search in the left and right subtrees. If both subtrees return a non-null value, it means the current node is the HCA. Otherwise, the function returns the non-null subtree result.',
      },
      {
        question: 'What if it is not a binary tree?',
        answer:
          'If it\'s not a binary tree but a general tree with multiple children per node, you can modify the function to handle this case. Here\'s a Python function to find the highest common ancestor (HCA) of two nodes in a general tree:\n\n```python\nclass TreeNode:\n    def __init__(self, value=0, children=None):\n        self.value = value\n        self.children = children if children is not None else []\n\ndef find_hca(root, node1, node2):\n    if root is None:\n        return None\n\n    if root.value == node1.value or root.value == node2.value:\n        return root\n\n    hca_list = []\n    for child in root.children:\n        hca_child = find_hca(child, node1, node2)\n        if hca_child:\n            hca_list.append(hca_child)\n\n    if len(hca_list) >= 2:\n        return root\n    elif len(hca_list) == 1:\n        return hca_list[0]\n    else:\n        return None\n\n# Example usage:\n# Construct a general tree\n#         1\n#       / | \\\n#      2  3  4\n#     /|  |  |\\\n#    5 6  7  8 9\n#          / \\\n#         10 11\nroot = TreeNode(1, [\n    TreeNode(2, [\n        TreeNode(5),\n        TreeNode(6)\n    ]),\n    TreeNode(3, [\n        TreeNode(7)\n    ]),\n    TreeNode(4, [\n        TreeNode(8, [\n            TreeNode(10),\n            TreeNode(11)\n        ]),\n        TreeNode(9)\n    ])\n])\n\nnode1 = root.children[0].children[1]  # Node with value 6\nnode2 = root.children[2].children[0].children[1]  # Node with value 11\n\nhca = find_hca(root, node1, node2)\nprint("Highest Common Ancestor value:", hca.value)  # Output: 1\n```\n\nThis function is similar to the binary tree version, but instead of checking only left and right children, it iterates through all children of the current node. If two or more children return a non-null value, it means the current node is the HCA. Otherwise, the function returns the non-null subtree result.',
      },
    ],
  },
  {
    question: 126,
    category: 'coding',
    turns: [
      {
        question:
          'Implement a function to find the median of two sorted arrays of different sizes with O(1) space complexity and O(n) time complexity.',
        answer:
          "It's not possible to find the median of two sorted arrays of different sizes with O(1) space complexity and O(n) time complexity. However, you can achieve O(log(min(n, m))) time complexity using a binary search algorithm. Here's a Python implementation of such a function:\n\n```python\ndef findMedianSortedArrays(nums1, nums2):\n    if len(nums1) > len(nums2):\n        nums1, nums2 = nums2, nums1\n\n    x, y = len(nums1), len(nums2)\n    low, high = 0, x\n\n    while low <= high:\n        partition_x = (low + high) // 2\n        partition_y = (x + y + 1) // 2 - partition_x\n\n        max_left_x = float('-inf') if partition_x == 0 else nums1[partition_x - 1]\n        min_right_x = float('inf') if partition_x == x else nums1[partition_x]\n\n        max_left_y = float('-inf') if partition_y == 0 else nums2[partition_y - 1]\n        min_right_y = float('inf') if partition_y == y else nums2[partition_y]\n\n        if max_left_x <= min_right_y and max_left_y <= min_right_x:\n            if (x + y) % 2 == 0:\n                return (max(max_left_x, max_left_y) + min(min_right_x, min_right_y)) / 2\n            else:\n                return max(max_left_x, max_left_y)\n        elif max_left_x > min_right_y:\n            high = partition_x - 1\n        else:\n            low = partition_x + 1\n\n    raise ValueError(\"Input arrays are not sorted.\")\n```\n\nThis function takes two sorted arrays `nums1` and `nums2` as input and returns the median value. The time complexity of this function is O(log(min(n, m))), where n and m are the lengths of the input arrays. The space complexity is O(1) as it only uses a constant amount of extra space.",
      },
      {
        question: 'Does there exist an implementation with better time complexity?',
        answer:
          'The implementation provided above with a time complexity of O(log(min(n, m))) is already an efficient solution for finding the median of two sorted arrays. This is because the problem of finding the median of two sorted arrays can be reduced to finding the k-th element in the merged array, where k is the middle index. The binary search algorithm used in the implementation takes advantage of the sorted nature of the input arrays and efficiently narrows down the search space.\n\nIn general, it is not possible to achieve a better time complexity than O(log(min(n, m))) for this problem, as any algorithm that solves this problem must examine at least a logarithmic number of elements in the smaller array to determine the median. This is because the median depends on the relative ordering of the elements in both arrays, and a logarithmic number of comparisons is required to establish this ordering.\n\nTherefore, the provided implementation with a time complexity of O(log(min(n, m))) is already an efficient and optimal solution for finding the median of two sorted arrays.',
      },
    ],
  },
  {
    question: 127,
    category: 'coding',
    turns: [
      {
        question:
          'Write a function to find the majority element in a given integer array using the Boyer-Moore Voting Algorithm.',
        answer:
          "Here's a Python function that finds the majority element in a given integer array using the Boyer-Moore Voting Algorithm:\n\n```python\ndef majority_element(arr):\n    candidate = None\n    count = 0\n\n    # Boyer-Moore Voting Algorithm\n    for num in arr:\n        if count == 0:\n            candidate = num\n        count += (1 if num == candidate else -1)\n\n    # Verify if the candidate is indeed the majority element\n    if arr.count(candidate) > len(arr) // 2:\n        return candidate\n    else:\n        return None\n\n# Example usage:\narr = [2, 2, 1, 1, 1, 2, 2]\nprint(majority_element(arr))  # Output: 2\n```\n\nThis function first finds a candidate for the majority element using the Boyer-Moore Voting Algorithm. Then, it verifies if the candidate is indeed the majority element by counting its occurrences in the array. If the candidate occurs more than half of the array's length, it is returned as the majority element; otherwise, the function returns None.",
      },
      {
        question: 'How about finding the top-2 most occurring elements?',
        answer:
          "To find the top-2 most occurring elements in a given integer array, you can modify the Boyer-Moore Voting Algorithm. Here's a Python function that does this:\n\n```python\ndef top_two_elements(arr):\n    candidate1, candidate2 = None, None\n    count1, count2 = 0, 0\n\n    # Modified Boyer-Moore Voting Algorithm\n    for num in arr:\n        if num == candidate1:\n            count1 += 1\n        elif num == candidate2:\n            count2 += 1\n        elif count1 == 0:\n            candidate1 = num\n            count1 = 1\n        elif count2 == 0:\n            candidate2 = num\n            count2 = 1\n        else:\n            count1 -= 1\n            count2 -= 1\n\n    # Verify if the candidates are indeed the top-2 most occurring elements\n    count1 = arr.count(candidate1)\n    count2 = arr.count(candidate2)\n\n    if count1 > count2:\n        return candidate1, candidate2\n    else:\n        return candidate2, candidate1\n\n# Example usage:\narr = [1, 1, 2, 2, 3, 3, 1, 2, 3, 4, 5]\nprint(top_two_elements(arr))  # Output: (1, 2)\n```\n\nThis function first finds two candidates for the top-2 most occurring elements using a modified version of the Boyer-Moore Voting Algorithm. Then, it verifies the counts of the candidates in the array and returns them in descending order of their counts. Note that this function assumes that there are at least two distinct elements in the array.",
      },
    ],
  },
  {
    question: 128,
    category: 'coding',
    turns: [
      {
        question:
          'A binary tree is full if all of its vertices have either zero or two children. Let B_n denote the number of full binary trees with n vertices. Implement a function to find B_n.',
        answer:
          'To find B_n, we can use the following recursive formula:\n\nB_n = sum(B_i * B_(n-1-i)) for i = 0 to (n-2)/2, where n is even.\n\nHere\'s a Python function to implement this:\n\n```python\ndef full_binary_trees(n):\n    if n % 2 == 0 or n < 1:\n        return 0\n    if n == 1:\n        return 1\n\n    B = [0] * (n + 1)\n    B[1] = 1\n\n    for i in range(3, n + 1, 2):\n        for j in range(0, i - 1, 2):\n            B[i] += B[j] * B[i - 1 - j]\n\n    return B[n]\n\n# Example usage:\nn = 5\nprint(f"B_{n} =", full_binary_trees(n))\n```\n\nThis function first checks if n is even or less than 1, in which case it returns 0 since there are no full binary trees with an even number of vertices or with a negative number of vertices. If n is 1, it returns 1 since there is only one full binary tree with a single vertex (the root). Then, it initializes an array B of size n+1 to store the number of full binary trees for each value of n. It iterates through the odd numbers from 3 to n, and for each i, it calculates B_i using the recursive formula mentioned above. Finally, it returns B_n.',
      },
      {
        question: 'What if the problem changed from a binary tree to a ternary tree?',
        answer:
          'If the problem changes to a ternary tree, we can modify the recursive formula as follows:\n\nT_n = sum(T_i * T_(j) * T_(n-1-i-j)) for i = 0 to (n-2)/2, j = 0 to (n-2)/2, where n is a multiple of 3.\n\nHere\'s a Python function to implement this for ternary trees:\n\n```python\ndef full_ternary_trees(n):\n    if n % 3 != 0 or n < 1:\n        return 0\n    if n == 1:\n        return 1\n\n    T = [0] * (n + 1)\n    T[1] = 1\n\n    for i in range(3, n + 1, 3):\n        for j in range(0, i - 1, 3):\n            for k in range(0, i - 1 - j, 3):\n                T[i] += T[j] * T[k] * T[i - 1 - j - k]\n\n    return T[n]\n\n# Example usage:\nn = 9\nprint(f"T_{n} =", full_ternary_trees(n))\n```\n\nThis function first checks if n is not a multiple of 3 or less than 1, in which case it returns 0 since there are no full ternary trees with a number of vertices that is not a multiple of 3 or with a negative number of vertices. If n is 1, it returns 1 since there is only one full ternary tree with a single vertex (the root). Then, it initializes an array T of size n+1 to store the number of full ternary trees for each value of n. It iterates through the multiples of 3 from 3 to n, and for each i, it calculates T_i using the modified recursive formula mentioned above. Finally, it returns T_n.',
      },
    ],
  },
  {
    question: 129,
    category: 'coding',
    turns: [
      {
        question:
          'You are given two sorted lists of size m and n. Implement a function to find the kth smallest element in the union of the two lists with linear complexity.',
        answer:
          "To find the kth smallest element in the union of two sorted lists with linear complexity, you can use a two-pointer approach. Here's a Python function that implements this approach:\n\n```python\ndef find_kth_smallest(arr1, arr2, k):\n    m, n = len(arr1), len(arr2)\n    i, j = 0, 0\n\n    while i < m and j < n:\n        if arr1[i] < arr2[j]:\n            k -= 1\n            if k == 0:\n                return arr1[i]\n            i += 1\n        else:\n            k -= 1\n            if k == 0:\n                return arr2[j]\n            j += 1\n\n    while i < m:\n        k -= 1\n        if k == 0:\n            return arr1[i]\n        i += 1\n\n    while j < n:\n        k -= 1\n        if k == 0:\n            return arr2[j]\n        j += 1\n\n    return None\n```\n\nThis function takes two sorted lists `arr1` and `arr2`, and an integer `k` as input. It initializes two pointers `i` and `j` to traverse the two lists. The function iterates through both lists, comparing the elements at the current positions of the pointers. If the element in `arr1` is smaller, it increments the pointer `i`. If the element in `arr2` is smaller, it increments the pointer `j`. In each iteration, the function also decrements the value of `k`. When `k` reaches 0, the function returns the current element.\n\nIf one of the lists is exhausted, the function continues iterating through the remaining list until `k` reaches 0.\n\nThe time complexity of this function is O(m + n), which is linear in the size of the input lists.",
      },
      {
        question: 'Does there exist an algorithm with better time complexity? If so, implement it.',
        answer:
          "Yes, there exists an algorithm with better time complexity. We can use a binary search approach to find the kth smallest element in the union of the two sorted lists with logarithmic complexity. Here's a Python function that implements this approach:\n\n```python\ndef find_kth_smallest(arr1, arr2, k):\n    def kth(A, B, k):\n        if len(A) == 0:\n            return B[k - 1]\n        if len(B) == 0:\n            return A[k - 1]\n        if k == 1:\n            return min(A[0], B[0])\n\n        mid_A, mid_B = len(A) // 2, len(B) // 2\n        if A[mid_A] <= B[mid_B]:\n            if k > mid_A + mid_B + 1:\n                return kth(A[mid_A + 1:], B, k - mid_A - 1)\n            else:\n                return kth(A, B[:mid_B], k)\n        else:\n            if k > mid_A + mid_B + 1:\n                return kth(A, B[mid_B + 1:], k - mid_B - 1)\n            else:\n                return kth(A[:mid_A], B, k)\n\n    return kth(arr1, arr2, k)\n```\n\nThis function takes two sorted lists `arr1` and `arr2`, and an integer `k` as input. It defines a helper function `kth` that takes two lists `A` and `B`, and an integer `k`. The helper function performs a binary search on both lists to find the kth smallest element.\n\nThe time complexity of this function is O(log(m) + log(n)), which is logarithmic in the size of the input lists. This is better than the linear complexity of the previous algorithm.",
      },
    ],
  },
  {
    question: 130,
    category: 'coding',
    turns: [
      {
        question:
          'Implement a program to find the common elements in two arrays without using any extra data structures.',
        answer:
          'You can implement a program to find the common elements in two arrays without using any extra data structures by using nested loops. Here\'s an example in Python:\n\n```python\ndef find_common_elements(arr1, arr2):\n    # Iterate through each element in the first array\n    for i in range(len(arr1)):\n        # Iterate through each element in the second array\n        for j in range(len(arr2)):\n            # If the elements match, print the common element\n            if arr1[i] == arr2[j]:\n                print(arr1[i], end=" ")\n\n# Example usage\narr1 = [1, 2, 3, 4, 5]\narr2 = [3, 4, 5, 6, 7]\nfind_common_elements(arr1, arr2)\n```\n\nThis program will output:\n\n```\n3 4 5\n```\n\nKeep in mind that this approach has a time complexity of O(n^2) due to the nested loops. If you were allowed to use extra data structures, you could improve the time complexity by using a set or a hash table.',
      },
      {
        question:
          'Now the constraint of not using extra data structure is removed, implement one with the best time complexity.',
        answer:
          'Now that we can use extra data structures, we can use a set to store the elements of one array and then check if the elements of the other array are present in the set. This will give us a better time complexity of O(n). Here\'s an example in Python:\n\n```python\ndef find_common_elements(arr1, arr2):\n    # Create a set with the elements of the first array\n    elements_set = set(arr1)\n\n    # Iterate through each element in the second array\n    for element in arr2:\n        # If the element is present in the set, print the common element\n        if element in elements_set:\n            print(element, end=" ")\n\n# Example usage\narr1 = [1, 2, 3, 4, 5]\narr2 = [3, 4, 5, 6, 7]\nfind_common_elements(arr1, arr2)\n```\n\nThis program will output:\n\n```\n3 4 5\n```\n\nUsing a set allows us to achieve a time complexity of O(n) because set operations (add, remove, and search) have an average time complexity of O(1).',
      },
    ],
  },
];
