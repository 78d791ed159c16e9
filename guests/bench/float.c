/* Double and single precision: a small n-body system, a matrix product and a polynomial. */
#ifndef ROUNDS
#define ROUNDS 60000
#endif

static double position[8][3], speed[8][3];
static float left[24][24], right[24][24], product[24][24];

static double step(double time)
{
    double energy = 0;
    for (int i = 0; i < 8; i++)
        for (int j = 0; j < 8; j++) {
            if (i == j) continue;
            double x = position[j][0] - position[i][0], y = position[j][1] - position[i][1], z = position[j][2] - position[i][2];
            double square = x * x + y * y + z * z + 0.01;
            double pull = time / (square * __builtin_sqrt(square));
            speed[i][0] += x * pull;
            speed[i][1] += y * pull;
            speed[i][2] += z * pull;
            energy += pull;
        }
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 3; k++)
            position[i][k] += speed[i][k] * time;
    return energy;
}

int main(void)
{
    double energy = 0;
    for (int i = 0; i < 8; i++)
        for (int k = 0; k < 3; k++)
            position[i][k] = 0.7 * i - 0.3 * k * i + 0.11 * k + 0.05;
    for (int i = 0; i < 24; i++)
        for (int j = 0; j < 24; j++) {
            left[i][j] = 0.5f + 0.01f * i;
            right[i][j] = 1.25f - 0.03f * j;
        }
    for (int round = 0; round < ROUNDS; round++) {
        energy += step(0.001);
        for (int i = 0; i < 24; i++) {
            int j = (round + i) % 24;
            float sum = 0;
            for (int k = 0; k < 24; k++)
                sum += left[i][k] * right[k][j];
            product[i][j] = sum;
        }
        double x = 0.3, y = 1.1;
        for (int k = 0; k < 40; k++)
            y = y * x + 0.7 - y * 0.01;
        energy += y + product[round % 24][3];
    }
    return energy == 0;
}
